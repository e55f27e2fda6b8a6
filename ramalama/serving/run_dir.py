"""The private directories through which a server's socket and key reach us.

``RUN_DIR/LEASE-TOKEN/`` (mode 0700) belongs to one container; the lease in its name tells who
may still need it, so a directory is never without an owner, not even for a moment.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import ConfigError
from ramalama.planning.labels import API_KEY_NAME, SOCKET_NAME
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ramalama.system.process_identity import ProcessIdentity

_TOKEN_BYTES = 4
_LONGEST_SOCKET_PATH = 107  # bytes, sun_path less its NUL; unix(7)


@frozen(kw_only=False)
class ServerDir:
    """The directory of one server."""

    path: Path

    @property
    def socket(self) -> Path:
        """Where the server listens."""
        return self.path / SOCKET_NAME

    def make(self) -> None:
        """Create it, open to nobody else.

        Raises:
            ConfigError: it cannot be created, or others could get at it.
        """
        ensure_private(self.path.parent)
        with _writing(self.path):
            self.path.mkdir(mode=0o700)

    def write_api_key(self, key: str) -> None:
        """Put the key where the server reads it; a file, since argv and environment are public.

        Raises:
            ConfigError: it cannot be written.
        """
        path = self.path / API_KEY_NAME
        with _writing(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(key + "\n")

    def read_api_key(self) -> str | None:
        """Return the key that the server asks for; None if it asks for none."""
        try:
            return (self.path / API_KEY_NAME).read_text(encoding="ascii").strip()
        except OSError:
            return None

    def remove(self) -> None:
        """Remove it and what is in it; gone already is no error."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.path)


def default_run_dir(env: Mapping[str, str], *, uid: int) -> Path:
    """Choose where instance directories live: gone at boot, and the invoking user's alone.

    Whom sudo has left another user's `XDG_RUNTIME_DIR`, leaves nothing of root's in it.
    """
    named = env.get("XDG_RUNTIME_DIR")
    if named and _may_be_ours(Path(named), uid):
        run_dir = Path(named) / "ramalama"
    elif uid == 0:
        run_dir = Path("/run/ramalama")
    elif (user_dir := Path(f"/run/user/{uid}")).is_dir():
        run_dir = user_dir / "ramalama"
    else:
        run_dir = Path(f"/tmp/ramalama-{uid}")  # noqa: S108 (checked by ensure_private)
    return run_dir


def _may_be_ours(directory: Path, uid: int) -> bool:
    try:
        return directory.stat().st_uid == uid
    except OSError:
        return True  # what is wrong with it shows when it is used


def new_server_dir(run_dir: Path, identity: ProcessIdentity) -> ServerDir:
    """Name a directory for one server; nothing is created yet.

    Raises:
        ConfigError: the path of a socket in it would be longer than the kernel allows.
    """
    token = os.urandom(_TOKEN_BYTES).hex()
    instance = ServerDir(run_dir.absolute() / f"{identity.format()}-{token}")
    if len(os.fsencode(instance.socket)) > _LONGEST_SOCKET_PATH:
        msg = f"{run_dir} is too long a path for a socket"
        raise ConfigError(msg, hint="set XDG_RUNTIME_DIR to a shorter one")
    return instance


def ensure_private(directory: Path) -> None:
    """Create *directory* for us alone, or make sure that the one that is there is.

    Raises:
        ConfigError: it belongs to somebody else, is a link, or others may write to it.
    """
    with _writing(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        status = directory.lstat()
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    if not ours or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        msg = f"{directory} is not a private directory of yours"
        raise ConfigError(msg, hint="remove it, or set XDG_RUNTIME_DIR")


@contextmanager
def _writing(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as exc:
        msg = f"cannot create {path}: {exc.strerror}"
        raise ConfigError(msg, hint="set XDG_RUNTIME_DIR to a directory of yours") from exc
