"""Record which processes use a shared server, in a directory next to the server's own.

    RUN_DIR/IDENTITY-TOKEN/         of the server: socket or key; mounted into its container
    RUN_DIR/IDENTITY-TOKEN.shared/  of the users; never mounted
        IDENTITY-TOKEN              one for each use, named after the process that uses the server
        engine                      address of the engine that the container is on
        keep-alive                  seconds that the server is kept after its last user, or ``inf``
        idle-since                  seconds after boot at which no user was found for the first time

A process must hold a lock to read or change the directory: flock(2), which the kernel releases if
the process is killed. The record of a killed user stays, but names a process that has ended: see
`process_identity`. A server without such a directory belongs to the process that started it.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ramalama.system.process_identity import ProcessIdentity, ProcessState
from ramalama.system.removal import remove_tree
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from ramalama.serving.run_dir import ServerDir

FOR_EVER = float("inf")
"""A keep-alive time without end: the server is kept until it is stopped by a command."""

SUFFIX = ".shared"

START_SUFFIX = ".start"
"""The suffix of the lock files of starts: see `start_lock`."""

SENDING_SUFFIX = ".sending"
"""The suffix of the lock files for sending a model to another host."""

_ENGINE = "engine"
_KEEP_ALIVE = "keep-alive"
_IDLE_SINCE = "idle-since"
_TOKEN_BYTES = 4
_CLEANUP_TIME = 2.0  # seconds; a few files

# This clock also counts while the machine sleeps, and does not jump when the time is set.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Return the time, in seconds after boot."""
    return time.clock_gettime(_CLOCK)


class SharedServer:
    """The shared users of one server, and the lock on their records."""

    def __init__(self, directory: ServerDir) -> None:
        self.path = directory.path.with_name(directory.path.name + SUFFIX)

    def open(self, engine: str, *, keep_alive: float) -> str:
        """Share the server of this process, and return the name of this process's use.

        Raises:
            OSError: the directory or a file in it cannot be written.
        """
        self.path.mkdir(mode=0o700)
        try:
            # Before it is locked, another process may find it empty, and leaves it alone.
            with self.locked() as users:
                use = users.add(ProcessIdentity.of_this_process())
                _write(self.path / _ENGINE, engine)
                # Last: without it, the server is not yet shared.
                _write(self.path / _KEEP_ALIVE, str(keep_alive))
        except BaseException:
            remove_tree(self.path, seconds=_CLEANUP_TIME)
            raise
        return use

    @contextmanager
    def locked(self) -> Generator[UserRecords]:
        """Hold the lock during the block, and yield the records.

        Raises:
            FileNotFoundError: the server is not shared, or was removed.
            PermissionError: the server belongs to another user.
        """
        from ramalama.system.locks import (  # noqa: PLC0415 (only for shared servers)
            locked_directory,
        )

        with locked_directory(self.path):
            yield UserRecords(self.path)


@frozen(kw_only=False)
class UserRecords:
    """The records of a server's users; the caller must hold the lock."""

    path: Path

    @property
    def engine(self) -> str:
        """The address of the engine that the container is on; empty if it was not written."""
        with suppress(OSError):
            return (self.path / _ENGINE).read_text(encoding="utf-8")
        return ""

    @property
    def keep_alive(self) -> float | None:
        """Seconds that the server is kept after its last user; None if it is not yet shared."""
        return _read_number(self.path / _KEEP_ALIVE)

    def add(self, identity: ProcessIdentity) -> str:
        """Record a use by the process *identity*, and return its name."""
        use = f"{identity.format()}-{os.urandom(_TOKEN_BYTES).hex()}"
        _write(self.path / use, "")
        with suppress(FileNotFoundError):
            (self.path / _IDLE_SINCE).unlink()
        return use

    def remove(self, use: str) -> None:
        """Record the end of a use; an unknown use is no error."""
        with suppress(FileNotFoundError):
            (self.path / use).unlink()

    def extend(self, keep_alive: float) -> None:
        """Keep the server for at least *keep_alive* seconds after its last user."""
        if keep_alive > (self.keep_alive or 0.0):
            _write(self.path / _KEEP_ALIVE, str(keep_alive))

    def is_used(self) -> bool:
        """Return whether the server has users; remove the records of processes that have ended."""
        active = [use for use, identity in self._uses() if self._is_active(use, identity)]
        return bool(active)

    def is_over(self) -> bool:
        """Return whether the server has no users, and its keep-alive time is over.

        The time begins with the first check that finds no user.
        """
        if self.is_used():
            return False
        keep_alive = self.keep_alive
        if keep_alive is None:
            # The process that started it was about to share it. If that process was killed, the
            # sharing was never finished.
            identity = process_in(self.path.name)
            return identity is not None and identity.state() is ProcessState.DEAD
        since = _read_number(self.path / _IDLE_SINCE)
        if since is None:
            since = now()
            _write(self.path / _IDLE_SINCE, str(since))
        return now() - since >= keep_alive

    def time_left(self) -> float:
        """Return after how many seconds to look again whether `is_over`; infinity for never.

        A server that is not kept alive is removed by its last user.
        """
        keep_alive, since = self.keep_alive, _read_number(self.path / _IDLE_SINCE)
        if not keep_alive:
            return FOR_EVER
        return keep_alive if since is None else since + keep_alive - now()

    def close(self) -> None:
        """Remove all records, after the server was removed."""
        remove_tree(self.path, seconds=_CLEANUP_TIME)

    def _uses(self) -> Iterator[tuple[str, ProcessIdentity]]:
        for name in os.listdir(self.path):  # noqa: PTH208 (names, not paths)
            if (identity := process_in(name)) is not None:
                yield name, identity

    def _is_active(self, use: str, identity: ProcessIdentity) -> bool:
        if identity.state() is ProcessState.DEAD:
            self.remove(use)
            return False
        return True


def is_shared(instance: Path) -> bool | None:
    """Return whether the server with this directory is shared; None without permission to check."""
    try:
        instance.with_name(instance.name + SUFFIX).lstat()
    except PermissionError:
        return None
    except (OSError, ValueError):  # a label may hold an invalid path
        return False
    return True


def any_shared(run_dir: Path) -> bool:
    """Return whether *run_dir* has records of a shared server, which may no longer run."""
    with suppress(OSError):
        return any(name.endswith(SUFFIX) for name in os.listdir(run_dir))  # noqa: PTH208 (names)
    return False


def process_in(name: str) -> ProcessIdentity | None:
    """Return the process in the name of a directory or a use; None if the name has none."""
    return ProcessIdentity.parse(name.rpartition("-")[0])


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def _read_number(path: Path) -> float | None:
    """Read a number that `_write` wrote; 0 if a kill has cut it off, None without a file."""
    try:
        return float(path.read_text(encoding="utf-8"))
    except ValueError:
        return 0.0
    except OSError:
        return None
