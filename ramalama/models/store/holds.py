"""Files that somebody reads: neither `rm` nor `gc`, nor another pull, takes them away meanwhile.

    BASE/cas/locks/NAME.held.lock     shared by whoever reads what NAME stands for

A single file that is mounted outlives its names; a directory that is mounted shows what is removed
from it, and a file that is to be opened must be there. The kernel ends a hold with its process.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ramalama.system.locks import InUse, locked, refuse_to_wait

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def held(locks: Path, name: str) -> Generator[None]:
    """Keep what *name* stands for, for the block."""
    with locked(_lock(locks, name), shared=True):
        yield


@contextmanager
def unless_held(locks: Path, name: str) -> Generator[bool]:
    """Keep others from holding *name* for the block, which is told False if somebody does."""
    lock = _lock(locks, name)
    with ExitStack() as alone:
        try:
            alone.enter_context(locked(lock, on_wait=refuse_to_wait))
        except InUse:
            yield False
            return
        lock.unlink(missing_ok=True)  # there would be as many as models
        yield True


def _lock(locks: Path, name: str) -> Path:
    return locks / f"{name}.held.lock"
