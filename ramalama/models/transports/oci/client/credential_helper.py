"""Ask a program where docker keeps its passwords.

The protocol is docker's: ``docker-credential-NAME get`` reads a server's name from its standard
input and writes ``{"ServerURL": …, "Username": …, "Secret": …}``; where it knows nothing of that
server, it says so in a known sentence and fails. Source: docker-credential-helpers, README.

This is the one place where a program is run: a keychain has no other door.
"""

from __future__ import annotations

import json
import os
import re
import select
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.models.transports.oci.client.credentials import Credentials
from ramalama_engines.registry_auth.json_file import is_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from subprocess import Popen

_NAME = r"[a-z0-9-]+(\.exe)?"  # a program of Windows, which WSL runs, keeps its suffix
_NOTHING_THERE = b"credentials not found"
_MEANS_TOKEN = "<token>"  # noqa: S105 (a user name)
_LARGEST = 64 * 1024
_PATIENCE = 60.0  # seconds; a keychain may have to be unlocked by hand


class HelperFailed(Exception):
    """The program did not say what it was asked; the message shows nothing of what it did say."""


def ask_helper(
    name: str, server: str, env: Mapping[str, str], *, patience: float = _PATIENCE
) -> Credentials | None:
    """Ask ``docker-credential-NAME`` who we are to *server*; None if it does not know.

    *patience* in seconds. The program is looked for in the absolute directories of ``PATH`` alone.

    Raises:
        HelperFailed: it is not there, takes too long, or says something else.
    """
    if re.fullmatch(_NAME, name) is None:
        msg = f"{name[:100]!r} is not the name of a credential helper"
        raise HelperFailed(msg)
    program = f"docker-credential-{name}"
    path = _find(program, env)
    if path is None:
        msg = f"{program} is not in any directory of PATH"
        raise HelperFailed(msg)
    code, output = _run(path, server, env, patience)
    if code:
        if _NOTHING_THERE in output.lower():
            return None
        msg = f"{program} failed with exit code {code}; `echo {server} | {program} get` shows why"
        raise HelperFailed(msg)
    credentials = _read(output)
    if credentials is None:
        msg = f"{program} gave an answer that makes no sense"
        raise HelperFailed(msg)
    return credentials


def _find(program: str, env: Mapping[str, str]) -> Path | None:
    """Look along PATH, and never where the user happens to stand."""
    for directory in map(Path, env.get("PATH", "").split(os.pathsep)):
        path = directory / program
        if directory.is_absolute() and path.is_file() and os.access(path, os.X_OK):
            return path
    return None


def _run(path: Path, server: str, env: Mapping[str, str], patience: float) -> tuple[int, bytes]:
    import subprocess  # noqa: PLC0415 (few have a helper)

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
            return _talk(process, server, deadline=time.monotonic() + patience)
        except (TimeoutError, subprocess.TimeoutExpired) as exc:
            msg = f"{path.name} did not answer within {patience:g} seconds"
            raise HelperFailed(msg) from exc
        finally:
            process.kill()


def _talk(process: Popen[bytes], server: str, *, deadline: float) -> tuple[int, bytes]:
    """Return the exit code of *process* and what it answers.

    Raises:
        TimeoutError, subprocess.TimeoutExpired: *deadline* passed.
        HelperFailed: it says more than an answer can have.
    """
    if process.stdin is None or process.stdout is None:
        raise AssertionError
    with suppress(BrokenPipeError), process.stdin as stdin:  # it may fail before it reads
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
    msg = f"the credential helper said more than {_LARGEST} bytes"
    raise HelperFailed(msg)


def _remaining(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _read(output: bytes) -> Credentials | None:
    """Read a helper's answer; None if it is anything else."""
    # No exception leaves here: one of decoding carries what it could not decode.
    try:
        answer: object = json.loads(output)
    except (ValueError, RecursionError):
        return None
    if not is_object(answer):
        return None
    username, secret = answer.get("Username"), answer.get("Secret")
    if not (isinstance(username, str) and isinstance(secret, str) and secret):
        return None
    if username == _MEANS_TOKEN:
        return Credentials(identity_token=secret)
    return Credentials(username=username, password=secret) if username else None
