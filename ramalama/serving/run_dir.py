"""The private directories of servers, which hold the socket or the API key of a server.

``RUN_DIR/IDENTITY-TOKEN/`` (mode 0700) belongs to one container. IDENTITY names the process that
owns it, so a directory has an owner from the moment when it is created.
"""

from __future__ import annotations

import logging
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import ConfigError
from ramalama.planning.labels import API_KEY_NAME, SOCKET_NAME
from ramalama.system.removal import remove_tree
from ramalama_values import frozen
from ramalama_values.directories import PRIVATE, make_directories

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ramalama.system.process_identity import ProcessIdentity

CLEANUP_TIME = 2.0
"""Seconds that one clean-up may take for a directory; Ctrl-C waits for its end."""

REMOVING_SUFFIX = ".removing"
"""The suffix of the directories whose removal has begun; the next clean-up goes on."""

ASIDE_SUFFIX = ".left"
"""The suffix of the directories that cannot be removed; no clean-up tries again."""

_log = logging.getLogger("ramalama.orphans")

_TEMPORARY = Path("/tmp")  # noqa: S108 (see `_run_dir_below`)
_MOST_NAMES = 10
_TOKEN_BYTES = 4
_LONGEST_SOCKET_PATH = 107  # bytes; the size of sun_path minus its NUL, see unix(7)


@frozen(kw_only=False)
class ServerDir:
    """The directory of one server."""

    path: Path

    @property
    def socket(self) -> Path:
        """The path of the UNIX socket on which the server listens."""
        return self.path / SOCKET_NAME

    def is_own(self) -> bool:
        """Return whether it exists, is no link, and belongs to this user."""
        try:
            status = self.path.lstat()
        except (OSError, ValueError):
            return False
        return _is_own(status)

    def is_at(self, label: str) -> bool:
        """Return whether *label*, the path in a container's label, is the path of this directory.

        The path of a directory can be spelled in many ways, so device and inode decide. A path that
        leads nowhere for this process is compared by its last part, which is a name of its own.
        """
        path = Path(label)
        if path.name != self.path.name:
            return False
        try:
            return os.path.samestat(path.stat(), self.path.stat())
        except (OSError, ValueError):
            return True

    def make(self) -> None:
        """Create the directory so that only this user can open it.

        Raises:
            ConfigError: it cannot be created, or other users may write to its parent.
        """
        ensure_private(self.path.parent)
        with _writing(self.path):
            self.path.mkdir(mode=PRIVATE)

    def write(self, name: str, content: str) -> None:
        """Write a file that the server reads, such as its API key.

        A file, because other processes can read arguments and environment variables.

        Raises:
            ConfigError: the file cannot be written.
        """
        path = self.path / name
        with _writing(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)

    def read_api_key(self) -> str | None:
        """Return the API key that the server requires; None if it requires none."""
        try:
            return (self.path / API_KEY_NAME).read_text(encoding="ascii").strip()
        except OSError:
            return None

    def remove(self, *, seconds: float = CLEANUP_TIME) -> bool:
        """Remove the directory and its contents, which the server wrote; return whether it is gone.

        If only the time was over, the next clean-up of any process goes on. What cannot be removed
        is set aside, with a warning, and not tried again. No error is raised.
        """
        going = self.path.with_suffix(REMOVING_SUFFIX)
        with suppress(OSError):  # it does not exist
            self.path.rename(going)
        left = remove_tree(going, seconds=seconds)
        if left is not None and left.reason is not None:
            _set_aside(going, left.reason)
        return left is None


def _set_aside(directory: Path, reason: str) -> None:
    aside = directory.with_suffix(ASIDE_SUFFIX)
    with suppress(OSError):
        directory.rename(aside)
    _log.warning(
        "what a server has written to %s cannot be removed: %s; remove it yourself", aside, reason
    )


def default_run_dir(env: Mapping[str, str], *, uid: int, temporary: Path = _TEMPORARY) -> Path:
    """Return the parent of the servers' directories: private to the user, and emptied at boot.

    `XDG_RUNTIME_DIR` is ignored if it belongs to another user, as it may with sudo, or is relative
    (XDG base directories): a command in another directory would not find the servers.
    """
    named = Path(env.get("XDG_RUNTIME_DIR", ""))
    if named.is_absolute() and _may_be_own(named, uid):
        run_dir = named / "ramalama"
    elif uid == 0:
        run_dir = Path("/run/ramalama")
    elif (user_dir := Path(f"/run/user/{uid}")).is_dir():
        run_dir = user_dir / "ramalama"
    else:
        run_dir = _run_dir_below(temporary, uid)
    return run_dir


def _run_dir_below(temporary: Path, uid: int) -> Path:
    """Return a directory in *temporary*, where any user may take any name.

    It is the first one that belongs to the user, so that all processes of the user agree; without
    one, the first name that is free.
    """
    names = (f"ramalama-{uid}", *(f"ramalama-{uid}-{number}" for number in range(1, _MOST_NAMES)))
    paths = [temporary / name for name in names]
    own = (path for path in paths if _owner(path) == uid)
    free = (path for path in paths if _owner(path) is None)
    return next(own, next(free, paths[0]))  # `ensure_private` refuses that of another user


def _owner(path: Path) -> int | None:
    try:
        return path.lstat().st_uid
    except OSError:
        return None


def _may_be_own(directory: Path, uid: int) -> bool:
    try:
        return directory.stat().st_uid == uid
    except OSError:
        return True  # the error is reported when the directory is used


def new_server_dir(run_dir: Path, identity: ProcessIdentity) -> ServerDir:
    """Return a new name for the directory of one server; create nothing.

    Raises:
        ConfigError: the path of the socket would be longer than the kernel allows.
    """
    name = f"{identity.format()}-{os.urandom(_TOKEN_BYTES).hex()}"
    # Without links, which may have gone when another process reads the path in a label. But a link
    # may also be there to make the path shorter. A link in the place of *run_dir* is refused later.
    above = run_dir.absolute().parent
    for parent in (Path(os.path.realpath(above), run_dir.name), run_dir.absolute()):
        instance = ServerDir(parent / name)
        if len(os.fsencode(instance.socket)) <= _LONGEST_SOCKET_PATH:
            return instance
    msg = f"the path {run_dir} is too long for a socket"
    raise ConfigError(msg, hint="set XDG_RUNTIME_DIR to a shorter one")


def ensure_private(directory: Path) -> None:
    """Create *directory* with access only for this user, or check that an existing one is private.

    Raises:
        ConfigError: it belongs to another user, is a link, or other users may write to it.
    """
    with _writing(directory):
        if not directory.exists():
            make_directories(directory, mode=PRIVATE)
        status = directory.lstat()
    if not _is_own(status) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        msg = f"{directory} is not a private directory of yours"
        raise ConfigError(msg, hint="set XDG_RUNTIME_DIR to a directory of yours")


def _is_own(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


@contextmanager
def _writing(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as exc:
        msg = f"cannot create {path}: {exc.strerror}"
        raise ConfigError(msg, hint="set XDG_RUNTIME_DIR to a directory of yours") from exc
