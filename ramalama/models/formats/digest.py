"""What names a content: its SHA-256."""

from __future__ import annotations

from typing import Self

from ramalama_values import frozen

_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_LENGTH = 64


@frozen(kw_only=False)
class Digest:
    """A SHA-256, as 64 hexadecimal digits in lower case."""

    hex: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``sha256:HEX``, ``sha256-HEX`` (file names have no colon) or bare hex.

        Raises:
            ValueError: it is none of them; nothing else may become part of a path.
        """
        # Without a regular expression, which takes longer to compile than a list of all models.
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
