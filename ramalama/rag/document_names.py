"""Name documents for people: the last part of a path or a URL."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

STDIN = "-"
"""The name of the document that comes from standard input."""


def is_url(name: str) -> bool:
    """Return whether *name* is a URL, and not a path."""
    return name.lower().startswith(("http://", "https://"))


def last_part(uri: str) -> str:
    """Return the file name of a document: ``guide.pdf`` of ``docs/guide.pdf``."""
    if uri == STDIN:
        return "standard input"
    if not is_url(uri):
        return uri.rpartition("/")[2] or uri
    parts = urlsplit(uri)
    return unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.netloc
