"""The hook of whoever does not watch; what others hear is in `ramalama.events`."""

from __future__ import annotations


def ignore(_event: object) -> None:
    """Watch nothing."""
