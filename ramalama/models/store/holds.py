"""Protect files that a process reads from `rm`, `gc` and other pulls.

    BASE/cas/locks/NAME.held.lock     shared by all processes that read the files called NAME

A single mounted file stays readable after its names are removed. But a mounted directory loses the
files that are removed from it, and a file that is opened later must still exist. When a process
ends, the kernel releases its holds.
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
    """Protect the files called *name* during the block."""
    with locked(_lock(locks, name), shared=True):
        yield


@contextmanager
def unless_held(locks: Path, name: str) -> Generator[bool]:
    """Prevent other processes from holding *name*; yield False if one holds it already."""
    lock = _lock(locks, name)
    with ExitStack() as alone:
        try:
            alone.enter_context(locked(lock, on_wait=refuse_to_wait))
        except InUse:
            yield False
            return
        lock.unlink(missing_ok=True)  # otherwise there would be one for each model
        yield True


def _lock(locks: Path, name: str) -> Path:
    return locks / f"{name}.held.lock"
