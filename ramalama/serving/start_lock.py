"""One start at a time of the same server: a lock by the digest of its plan."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ramalama.serving.request import raise_if_set
from ramalama.serving.run_dir import ensure_private
from ramalama.serving.usage import START_SUFFIX

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path


_PAUSE = 0.05  # seconds


@contextmanager
def starting(
    run_dir: Path, digest: str, *, on_wait: Callable[[], None], cancel: threading.Event | None
) -> Generator[None]:
    """Let nobody else look for a server with this plan, or start one, for the length of a block.

    *on_wait* is called once if another does so now. The kernel gives the lock back when its holder
    dies.

    Raises:
        ConfigError: the directory is not this user's alone.
        StartCancelled: *cancel* was set while we waited.
    """
    ensure_private(run_dir)
    path = run_dir / f"{digest}{START_SUFFIX}"
    waited = False
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if _is_locked(handle, path):
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
                return
        finally:
            os.close(handle)
        if not waited:
            on_wait()
        waited = True
        raise_if_set(cancel)
        time.sleep(_PAUSE)


def remove_abandoned(locks: Iterable[Path]) -> None:
    """Remove those of the *locks* that `starting` made and nobody holds any more."""
    for path in locks:
        with suppress(OSError):
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                if _is_locked(handle, path):
                    path.unlink()
            finally:
                os.close(handle)


def _is_locked(handle: int, path: Path) -> bool:
    """Try to take the lock; False if another has it, or has removed the file since."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), path.lstat())
    except (BlockingIOError, FileNotFoundError):
        return False
