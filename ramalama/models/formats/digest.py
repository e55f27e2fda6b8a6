"""Identify a content by its SHA-256 digest."""

from __future__ import annotations

from typing import Self

from ramalama_values import frozen

_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_LENGTH = 64


@frozen(kw_only=False)
class Digest:
    """A SHA-256 digest, as 64 hexadecimal digits in lower case."""

    hex: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``sha256:HEX``, ``sha256-HEX`` (file names have no colon) or bare hex.

        Raises:
            ValueError: *text* is none of them, and must not become part of a path.
        """
        # Without a regular expression, whose compilation takes longer than listing all models.
        digits = text.removeprefix("sha256:") if ":" in text else text.removeprefix("sha256-")
        if len(digits) != _LENGTH or not _HEXADECIMAL.issuperset(digits):
            msg = f"{text[:100]!r} is not a SHA-256 digest"
            raise ValueError(msg)
        return cls(digits.lower())

    @property
    def file_name(self) -> str:
        """The form without a colon, ``sha256-HEX``."""
        return f"sha256-{self.hex}"

    def __str__(self) -> str:
        return f"sha256:{self.hex}"
