"""Bounds for documents, which may come from a stranger: sizes, and the time that reading takes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

LARGEST_FILE: Final = 64 * 1024 * 1024  # bytes
LARGEST_PDF: Final = 256 * 1024 * 1024
LONGEST_DOCUMENT: Final = 8_000_000  # characters
MOST_SECTIONS: Final = 20_000
MOST_PAGES: Final = 20_000
LARGEST_PICTURE: Final = 16 * 1024 * 1024  # bytes, as it is sent to a model
MOST_PIXELS: Final = 40_000_000  # of a picture; A4 with 600 dots per inch has 35 million
LONGEST_HEADING: Final = 200  # characters
_TIME = 300.0  # seconds for one document


class Unreadable(Exception):
    """A document cannot be read; the text is the reason, for the user: "is a binary file".

    Attributes:
        may_pass: whether it may be readable later: the network failed, or permission is missing.
    """

    def __init__(self, reason: str, *, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_pass = may_pass


class Budget:
    """What one document may still use: characters of text, and time."""

    def __init__(self, *, characters: int = LONGEST_DOCUMENT, seconds: float = _TIME) -> None:
        self._characters = characters
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds

    def spend(self, characters: int = 0) -> None:
        """Take *characters* from the budget.

        Raises:
            Unreadable: nothing is left.
        """
        self._characters -= characters
        if self._characters < 0:
            msg = f"has more than {LONGEST_DOCUMENT / 1e6:.0f} million characters"
            raise Unreadable(msg)
        if time.monotonic() > self._deadline:
            msg = f"takes longer than {self._seconds:.0f} s to read"
            raise Unreadable(msg)

    @contextmanager
    def paused(self) -> Generator[None]:
        """Do not count the time of the block, which has limits of its own."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._deadline += time.monotonic() - began


def too_large(limit: int) -> Unreadable:
    """Return the error for a file of more than *limit* bytes."""
    return Unreadable(f"is larger than {limit // 1024**2} MiB")
