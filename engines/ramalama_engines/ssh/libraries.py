"""Find a shared library as ld.so does, without running ldconfig, gcc and ld."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# What `ldconfig` writes: among others the names or the paths of all libraries, each ended by NUL.
_CACHE: Final = Path("/etc/ld.so.cache")
_MOST_BYTES: Final = 16 << 20


def knows_libraries() -> bool:
    """Return whether this system has what `find_library` reads: Linux with glibc."""
    return sys.platform == "linux" and os.access(_CACHE, os.R_OK)


def find_library(name: str) -> str | None:
    """Return the name or the path by which libNAME.so can be loaded, None if it is not installed.

    The cache names libraries of other processors, too, so what is found is loaded.
    """
    for found in _candidates(name):
        try:
            ctypes.CDLL(found)
        except OSError:
            continue
        return found
    return None


def _candidates(name: str) -> Iterator[str]:
    """Yield what may be the library; those with a version in the name first, as ldconfig does."""
    for directory in filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":")):
        yield from sorted(map(str, Path(directory).glob(f"lib{name}.so*")), reverse=True)
    with _CACHE.open("rb") as file:
        cache = file.read(_MOST_BYTES)
    named = rb"[\0/](lib" + re.escape(os.fsencode(name)) + rb"\.so[^\0/]*)(?=\0)"
    found: set[bytes] = set(re.findall(named, cache))
    yield from sorted(map(os.fsdecode, found), reverse=True)
