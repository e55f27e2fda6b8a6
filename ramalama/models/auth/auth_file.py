"""Write logins to the files that podman, skopeo and docker read; containers-auth.json(5).

The rest of such a file belongs to other programs and is kept: other registries, unknown keys, the
order of keys, the indentation. A file that is not valid is not changed.
"""

from __future__ import annotations

import json
import os
import re
import stat
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ramalama.errors import ConfigError
from ramalama.system.locks import locked_directory
from ramalama.system.private_files import make_directories, replace_file
from ramalama_engines.registry_auth.files import normal_key
from ramalama_values.json import is_object

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST = 4 * 1024 * 1024
_INDENT = "\t"  # podman's and docker's


class BrokenAuthFile(Exception):
    """A file of logins is not valid; the message shows none of its content."""


def store_login(file: Path, key: str, username: str, password: str) -> None:
    """Save the login for the registry or namespace *key* in *file*.

    Raises:
        ConfigError: the file is not valid, cannot be written, or assigns *key* to a helper program;
            nothing was changed.
    """
    _edit(file, lambda text: with_login(text, key, username, password))


def remove_login(file: Path, key: str) -> bool:
    """Remove the login for *key* from *file*, and return whether there was one.

    Raises:
        ConfigError: see `store_login`.
    """
    return file.exists() and _edit(file, lambda text: without_login(text, key))


def with_login(text: str, key: str, username: str, password: str) -> str:
    """Return the file content *text* with a login for *key*, which replaces an older one.

    Raises:
        BrokenAuthFile: *text* is not such a file, or names a helper program for *key*.
    """
    content, auths = _parse(text)
    helpers = content.get("credHelpers")
    for name, helper in helpers.items() if is_object(helpers) else ():
        if normal_key(name) == key.partition("/")[0]:
            msg = f"leaves the passwords of {key} to the program 'docker-credential-{helper}'"
            raise BrokenAuthFile(msg)
    entry = {"auth": b64encode(f"{username}:{password}".encode()).decode()}
    # Docker writes https://index.docker.io/v1/ where podman writes docker.io: use one entry for
    # both.
    content["auths"] = {**auths, **dict.fromkeys(_same(auths, key) or [key], entry)}
    return _format(content, like=text)


def without_login(text: str, key: str) -> str:
    """Return the file content *text* without the login for *key*.

    Raises:
        BrokenAuthFile: *text* is not such a file.
    """
    content, auths = _parse(text)
    gone = _same(auths, key)
    if not gone:
        return text
    content["auths"] = {name: entry for name, entry in auths.items() if name not in gone}
    return _format(content, like=text)


def _same(auths: dict[str, object], key: str) -> list[str]:
    """Return the keys that mean the same as *key*."""
    return [name for name in auths if normal_key(name) == key]


def _parse(text: str) -> tuple[dict[str, object], dict[str, object]]:
    """Return the whole content of a file, and its logins."""
    # The error is raised outside the handler: a chained JSONDecodeError contains the whole text.
    problem = "does not hold a JSON object"
    try:
        content: object = json.loads(text.strip() or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError):
        content, problem = None, "is not valid JSON"
    if not is_object(content):
        raise BrokenAuthFile(problem)
    auths = content.get("auths", {})
    if not is_object(auths):
        msg = 'has an "auths" that is not a JSON object'
        raise BrokenAuthFile(msg)
    return content, auths


def _refuse(_constant: str) -> NoReturn:
    raise ValueError


def _format(content: dict[str, object], *, like: str) -> str:
    """Write *content* with the indentation and the end of the last line as in *like*."""
    indent = re.search(r"\n([ \t]+)\"", like)
    text = json.dumps(content, indent=indent[1] if indent else _INDENT)
    return text + like[len(like.rstrip()) :]


def _edit(file: Path, change: Callable[[str], str]) -> bool:
    """Change the content of *file* under a lock; return whether it has changed."""
    try:
        make_directories(file.parent)
        with locked_directory(Path(os.path.realpath(file)).parent):
            before = _read(file)
            after = change(before)
            if after != before:
                replace_file(file, after.encode())
            return after != before
    except BrokenAuthFile as exc:
        msg = f"{file} {exc}; it was not changed"
        raise ConfigError(msg) from exc
    except OSError as exc:
        msg = f"{file} cannot be changed: {exc.strerror}"
        raise ConfigError(msg, hint="name another file with --authfile") from exc


def _read(file: Path) -> str:
    """Return the content of *file*; "" if the file does not exist."""
    try:
        with file.open("rb") as stream:
            # *file* may be a link to /dev/null, to switch passwords off; that must not be replaced.
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                msg = "is not a regular file"
                raise BrokenAuthFile(msg)
            content = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        return ""
    try:
        text = content.decode() if len(content) <= _LARGEST else None
    except UnicodeDecodeError:
        text = None
    if text is None:
        msg = "is not a file of logins"
        raise BrokenAuthFile(msg)
    return text
