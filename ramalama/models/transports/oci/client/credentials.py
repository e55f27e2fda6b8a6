"""Find the user's credentials for an OCI registry, in the files and helpers of other tools.

The files of Podman, Docker and skopeo are searched in the order of
`ramalama_engines.registry_auth.files`. Within a file, the order is that of podman and docker: a
credential helper of this registry, then the entry of the image, then the helper of the whole file.
"""

from __future__ import annotations

import os
import re
import select
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import AccessDenied
from ramalama_engines.registry_auth.files import find_entries
from ramalama_engines.registry_auth.json_file import JsonFileError
from ramalama_values.json import is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from subprocess import Popen

    from ramalama_engines import ImageReference, InvokingUser
    from ramalama_engines.registry_auth.files import AuthEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user and a password, or an identity token; neither means anonymous access.

    Attributes:
        identity_token: a refresh token for the registry's token service.
        source: where the credentials are from, for messages: a file, perhaps with a helper.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    identity_token: str | None = field(default=None, repr=False)
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCredentials:
    """The result of a search for credentials.

    Attributes:
        credentials: None means anonymous access.
        notices: entries that could not be used, in one sentence each; shown if access is refused.
    """

    credentials: Credentials | None = None
    notices: tuple[str, ...] = ()


def find_credentials(
    reference: ImageReference, user: InvokingUser, authfile: Path | None = None
) -> FoundCredentials:
    """Find the credentials for the registry of *reference*; this may run a credential helper.

    Raises:
        AccessDenied: the file that *authfile* or `REGISTRY_AUTH_FILE` names is missing or not
        valid.
            The message shows none of its content.
    """
    try:
        entries = find_entries(reference, user, authfile=authfile)
    except JsonFileError as exc:
        msg = f"the authentication file {exc}"
        raise AccessDenied(msg) from exc
    notices: list[str] = []
    for entry in entries:
        if entry.problem:
            notices.append(entry.problem)
        for found in _search(entry, user):
            if found.credentials:
                return found
            notices.extend(found.notices)
    return FoundCredentials(notices=tuple(notices))


def _search(entry: AuthEntry, user: InvokingUser) -> Iterator[FoundCredentials]:
    """Yield the credentials of each part of *entry*, in the order of precedence."""
    if entry.registry_helper:
        yield _ask(entry.registry_helper, entry, user)
    source = str(entry.source)
    if entry.identity_token:
        token = Credentials(identity_token=entry.identity_token, source=source)
        yield FoundCredentials(credentials=token)
    if entry.auth:
        name, password = entry.auth.username, entry.auth.password
        login = Credentials(username=name, password=password, source=source)
        yield FoundCredentials(credentials=login)
    if entry.store_helper:
        yield _ask(entry.store_helper, entry, user)


def _ask(helper: str, entry: AuthEntry, user: InvokingUser) -> FoundCredentials:

    try:
        known = ask_helper(helper, entry.server, user.env)
    except HelperFailed as exc:
        return FoundCredentials(notices=(f"{exc}; {entry.source} names it",))
    source = f"{entry.source}, docker-credential-{helper}"
    return FoundCredentials(credentials=known and replace(known, source=source))


_NAME = r"[a-z0-9-]+(\.exe)?"  # under WSL, a Windows program keeps its suffix
_NOT_FOUND = b"credentials not found"
_MEANS_TOKEN = "<token>"  # noqa: S105 (a user name)
_LARGEST = 64 * 1024
_TIMEOUT = 60.0  # seconds; a keychain may have to be unlocked by hand


class HelperFailed(Exception):
    """A helper gave no credentials; the message shows none of its output."""


def ask_helper(
    name: str, server: str, env: Mapping[str, str], *, timeout: float = _TIMEOUT
) -> Credentials | None:
    """Return the credentials of ``docker-credential-NAME`` for *server*; None if it has none.

    *timeout* is in seconds. The program is searched only in the absolute directories of ``PATH``.

    Raises:
        HelperFailed: it does not exist, takes too long, or its answer is not valid.
    """
    if re.fullmatch(_NAME, name) is None:
        msg = f"{name[:100]!r} is not the name of a credential helper"
        raise HelperFailed(msg)
    program = f"docker-credential-{name}"
    path = _find(program, env)
    if path is None:
        msg = f"{program} is not in any directory of PATH"
        raise HelperFailed(msg)
    code, output = _run(path, server, env, timeout)
    if code:
        if _NOT_FOUND in output.lower():
            return None
        msg = f"{program} failed with exit code {code}; `echo {server} | {program} get` shows why"
        raise HelperFailed(msg)
    credentials = _read(output)
    if credentials is None:
        msg = f"{program} gave an answer that is not valid"
        raise HelperFailed(msg)
    return credentials


def _find(program: str, env: Mapping[str, str]) -> Path | None:
    """Return the program's path in PATH; the current directory is never searched."""
    for directory in map(Path, env.get("PATH", "").split(os.pathsep)):
        path = directory / program
        if directory.is_absolute() and path.is_file() and os.access(path, os.X_OK):
            return path
    return None


def _run(path: Path, server: str, env: Mapping[str, str], timeout: float) -> tuple[int, bytes]:
    import subprocess  # noqa: PLC0415 (few users have a helper)

    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(  # noqa: S603 (its name was checked, and found in PATH)
            [path, "get"], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=env
        )
    except OSError as exc:
        msg = f"{path} cannot be run: {exc.strerror}"
        raise HelperFailed(msg) from exc
    with process:
        try:
            return _exchange(process, server, deadline=time.monotonic() + timeout)
        except (TimeoutError, subprocess.TimeoutExpired) as exc:
            msg = f"{path.name} did not answer within {timeout:g} seconds"
            raise HelperFailed(msg) from exc
        finally:
            process.kill()


def _exchange(process: Popen[bytes], server: str, *, deadline: float) -> tuple[int, bytes]:
    """Send *server* to the helper; return its exit code and its output.

    Raises:
        TimeoutError, subprocess.TimeoutExpired: *deadline* has passed.
        HelperFailed: its output is longer than an answer can be.
    """
    if process.stdin is None or process.stdout is None:
        raise AssertionError
    with suppress(BrokenPipeError), process.stdin as stdin:  # the helper may exit before it reads
        stdin.write(server.encode())
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    output = bytearray()
    while len(output) <= _LARGEST:
        if not poll.poll(_remaining(deadline) * 1000):
            raise TimeoutError
        piece = os.read(process.stdout.fileno(), _LARGEST)
        if not piece:
            return process.wait(_remaining(deadline)), bytes(output)
        output += piece
    msg = f"the credential helper wrote more than {_LARGEST} bytes"
    raise HelperFailed(msg)


def _remaining(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _read(output: bytes) -> Credentials | None:
    """Parse a helper's answer; return None if it is not valid."""
    try:
        answer = parse_json(output)
    except ValueError:
        return None
    if not is_object(answer):
        return None
    username, secret = answer.get("Username"), answer.get("Secret")
    if not (isinstance(username, str) and isinstance(secret, str) and secret):
        return None
    if username == _MEANS_TOKEN:
        return Credentials(identity_token=secret)
    return Credentials(username=username, password=secret) if username else None
