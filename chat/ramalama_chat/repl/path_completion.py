"""Complete a path that the user is typing."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path


def continue_path(typed: str, path_of: Callable[[str], Path]) -> Sequence[str]:
    """Return the paths that begin with *typed*, sorted; directories end in a slash.

    *path_of* turns what the user typed, ``~/`` for example, into a path. Hidden files are returned
    only if *typed* has their dot.
    """
    directory, slash, beginning = typed.rpartition("/")
    directory += slash
    found: list[str] = []
    with suppress(OSError, RuntimeError, ValueError), os.scandir(path_of(directory)) as entries:
        found.extend(
            f"{directory}{entry.name}{'/' if _is_directory(entry) else ''}"
            for entry in entries
            if entry.name.startswith(beginning)
            and (beginning or not entry.name.startswith("."))
            and entry.name.isprintable()  # no newline, and valid UTF-8
        )
    return sorted(found)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a symbolic link to itself, for example
        return False
