"""Paths that are being typed."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path


def continue_path(typed: str, path_of: Callable[[str], Path]) -> Sequence[str]:
    """Return the paths that begin with *typed*, in order; directories end in a slash.

    *path_of* finds the directory that a user calls so, ``~/`` for one. Hidden files are only for
    whoever types their dot.
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
            and entry.name.isprintable()  # neither a line's end nor what is no UTF-8
        )
    return sorted(found)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
