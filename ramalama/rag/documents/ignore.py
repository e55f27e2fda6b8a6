"""Leave out what the user's rules ignore: ``.gitignore`` and ``.ragignore``, in each directory.

Both have the syntax of gitignore(5). ``.ragignore`` comes later, so it can take back a rule of the
other file: ``!build/manual.md``.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pathspec import GitIgnoreSpec

_FILES = (".gitignore", ".ragignore")
_LARGEST = 256 * 1024  # bytes
_MOST_RULES = 2000
_LONGEST_RULE = 1000  # characters
# Left out of a directory that was named; hidden files are left out anyway.
_NEVER = frozenset({"CVS", "_darcs", "__pycache__", "node_modules"})


@frozen(kw_only=False)
class Rules:
    """The rules of a directory, and of those above it.

    Attributes:
        specs: for each directory with rules its path below the root, which ends in "/" or is "",
            and its rules; from the root inwards.
    """

    specs: Sequence[tuple[str, GitIgnoreSpec]] = ()

    def ignores(self, path: str, *, is_directory: bool) -> bool:
        """Return whether *path*, relative to the root, is left out."""
        name = path.rpartition("/")[2]
        if name.startswith(".") or (is_directory and name in _NEVER):
            return True
        for base, spec in reversed(self.specs):
            inner = path.removeprefix(base) + ("/" if is_directory else "")
            if (included := spec.check_file(inner).include) is not None:
                return included
        return False

    def within(self, directory: str, descriptor: int) -> Rules:
        """Return the rules in *directory*, which is open: those above it, and its own."""
        lines = [line for name in _FILES for line in _read(name, descriptor)]
        if not lines:
            return self
        from pathspec import GitIgnoreSpec  # noqa: PLC0415 (only where there are rules)

        base = f"{directory}/" if directory else ""
        return Rules((*self.specs, (base, GitIgnoreSpec.from_lines(lines))))


def _read(name: str, directory: int) -> Sequence[str]:
    """Return the rules in a file; none if it is not a regular file."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(name, flags, dir_fd=directory)
    except OSError:
        return ()
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return ()
        content = os.read(handle, _LARGEST).decode(errors="replace")
    finally:
        os.close(handle)
    return [line for line in content.splitlines()[:_MOST_RULES] if len(line) <= _LONGEST_RULE]
