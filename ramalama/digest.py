"""What names a content: its SHA-256."""

from __future__ import annotations

import re
from typing import Self

from ramalama_values import frozen

_DIGEST = r"(?:sha256[:-])?(?P<hex>[0-9a-fA-F]{64})"


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
        match = re.fullmatch(_DIGEST, text)
        if match is None:
            msg = f"{text[:100]!r} is not a SHA-256 digest"
            raise ValueError(msg)
        return cls(match["hex"].lower())

    @property
    def file_name(self) -> str:
        """The form without a colon, ``sha256-HEX``."""
        return f"sha256-{self.hex}"

    def __str__(self) -> str:
        return f"sha256:{self.hex}"
