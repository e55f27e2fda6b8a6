"""Find out what a block writes, wherever on this machine."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# Python's audit events, and how many of their arguments are paths.
_EVENTS = {
    "os.link": 2,
    "os.mkdir": 1,
    "os.remove": 1,
    "os.rename": 2,
    "os.rmdir": 1,
    "os.symlink": 2,
    "os.truncate": 1,
}


@contextmanager
def writing_only_below(directory: Path) -> Generator[None]:
    """Make sure that the block changes nothing outside of *directory*."""
    watch = _watch()
    watch.strays, watch.allowed = [], f"{directory}/"
    try:
        yield
    finally:
        watch.allowed = None
        assert not watch.strays, watch.strays


class _Watch:
    """A hook, of which Python keeps every one for ever."""

    def __init__(self) -> None:
        self.allowed: str | None = None
        self.strays: list[str] = []

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Note paths that are not below the directory that is allowed."""
        if self.allowed is None:
            return
        if event == "open":
            flags = arguments[2]
            arguments = arguments[:1] if isinstance(flags, int) and flags & _WRITES else ()
        else:
            arguments = arguments[: _EVENTS.get(event, 0)]
        for path in arguments:
            name = os.path.normpath(os.fsdecode(path)) if isinstance(path, str | bytes) else ""
            if not f"{name}/".startswith(self.allowed):
                self.strays.append(f"{event} {name}")


@cache
def _watch() -> _Watch:
    watch = _Watch()
    sys.addaudithook(watch.hear)
    return watch
