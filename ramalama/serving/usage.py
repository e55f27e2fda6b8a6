"""Who uses a server that several may use: leases, in a directory beside the server's own.

    RUN_DIR/LEASE-TOKEN/         the server's: socket or key, mounted into its container
    RUN_DIR/LEASE-TOKEN.shared/  ours alone
        LEASE-TOKEN              one for each use, by the process that uses it
        engine                   address of the engine that the container is on
        keep-alive               seconds that the server stays after its last user, or ``inf``
        idle-since               seconds after boot at which its last user was found gone

Whoever looks or changes holds a lock, flock(2) on the directory, which the kernel gives back if its
holder is killed. A user who is killed leaves a lease whose owner is dead: see `process_identity`.
Without such a directory a server belongs to the process that started it.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ramalama.system.process_identity import ProcessIdentity, ProcessState
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from ramalama.serving.run_dir import ServerDir

FOR_EVER = float("inf")
"""As a keep-alive: until somebody stops the server."""

SUFFIX = ".shared"

START_SUFFIX = ".start"
"""Of the locks beside, which those hold who look for a server or start one: see `start_lock`."""

_ENGINE = "engine"
_KEEP_ALIVE = "keep-alive"
_IDLE_SINCE = "idle-since"
_TOKEN_BYTES = 4

# Counts while the machine sleeps, too, and does not jump when somebody sets the time.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Return the time, in seconds after boot."""
    return time.clock_gettime(_CLOCK)


class SharedServer:
    """The users of one server."""

    def __init__(self, directory: ServerDir) -> None:
        self.path = directory.path.with_name(directory.path.name + SUFFIX)

    def open(self, engine: str, *, keep_alive: float) -> str:
        """Let the server of this process be shared, and return this process's use of it.

        Raises:
            OSError: it cannot be written.
        """
        self.path.mkdir(mode=0o700)
        use = UserRecords(self.path).add(ProcessIdentity.of_this_process())
        _write(self.path / _ENGINE, engine)
        _write(self.path / _KEEP_ALIVE, str(keep_alive))  # last: until now nobody judges it
        return use

    @contextmanager
    def locked(self) -> Generator[UserRecords]:
        """Hold the lock for the block.

        Raises:
            FileNotFoundError: the server is not shared, or is gone.
            PermissionError: it is another user's.
        """
        from ramalama.system.locks import (  # noqa: PLC0415 (who shares nothing needs no locks)
            locked_directory,
        )

        with locked_directory(self.path):
            yield UserRecords(self.path)


@frozen(kw_only=False)
class UserRecords:
    """What is written of a server's users, for whoever holds the lock."""

    path: Path

    @property
    def engine(self) -> str:
        """The address of the engine that the container is on; empty if that was never written."""
        with suppress(OSError):
            return (self.path / _ENGINE).read_text(encoding="utf-8")
        return ""

    @property
    def keep_alive(self) -> float | None:
        """Seconds that the server stays after its last user; None before it is shared at all."""
        return _read_number(self.path / _KEEP_ALIVE)

    def add(self, identity: ProcessIdentity) -> str:
        """Note another use, and return what it is called."""
        use = f"{identity.format()}-{os.urandom(_TOKEN_BYTES).hex()}"
        _write(self.path / use, "")
        with suppress(FileNotFoundError):
            (self.path / _IDLE_SINCE).unlink()
        return use

    def remove(self, use: str) -> None:
        """Note the end of a use; one that is unknown is no error."""
        with suppress(FileNotFoundError):
            (self.path / use).unlink()

    def extend(self, keep_alive: float) -> None:
        """Have the server stay for at least so many seconds after its last user."""
        if keep_alive > (self.keep_alive or 0.0):
            _write(self.path / _KEEP_ALIVE, str(keep_alive))

    def is_used(self) -> bool:
        """Tell whether any user is left, and forget those who have died."""
        living = [use for use, identity in self._uses() if self._lives(use, identity)]
        return bool(living)

    def is_over(self) -> bool:
        """Tell whether the server's time has passed: nobody uses it, and has for long enough.

        The time runs from the first look that finds nobody.
        """
        if self.is_used():
            return False
        keep_alive = self.keep_alive
        if keep_alive is None:
            # Its starter was about to share it; who is killed then leaves it unfinished.
            identity = process_in(self.path.name)
            return identity is not None and identity.state() is ProcessState.DEAD
        since = _read_number(self.path / _IDLE_SINCE)
        if since is None:
            since = now()
            _write(self.path / _IDLE_SINCE, str(since))
        return now() - since >= keep_alive

    def close(self) -> None:
        """Remove it all: the server is gone."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.path)

    def _uses(self) -> Iterator[tuple[str, ProcessIdentity]]:
        for name in os.listdir(self.path):  # noqa: PTH208 (names, not paths)
            if (identity := process_in(name)) is not None:
                yield name, identity

    def _lives(self, use: str, identity: ProcessIdentity) -> bool:
        if identity.state() is ProcessState.DEAD:
            self.remove(use)
            return False
        return True


def is_shared(instance: Path) -> bool | None:
    """Tell whether the server with this directory is shared; None where we may not look."""
    try:
        instance.with_name(instance.name + SUFFIX).lstat()
    except PermissionError:
        return None
    except (OSError, ValueError):  # a label may hold what is no path at all
        return False
    return True


def any_shared(run_dir: Path) -> bool:
    """Tell whether there is a shared server in *run_dir*, dead or alive."""
    with suppress(OSError):
        return any(name.endswith(SUFFIX) for name in os.listdir(run_dir))  # noqa: PTH208 (names)
    return False


def process_in(name: str) -> ProcessIdentity | None:
    """Return whose directory or use *name* is; None if it is neither."""
    return ProcessIdentity.parse(name.rpartition("-")[0])


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def _read_number(path: Path) -> float | None:
    """Read what `_write` wrote; 0 for what a kill has cut off, None for no file."""
    try:
        return float(path.read_text(encoding="utf-8"))
    except ValueError:
        return 0.0
    except OSError:
        return None
