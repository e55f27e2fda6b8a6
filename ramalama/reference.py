"""What a user types for a model.

    reference = "file:" path-in-a-URL | path | transport "://" name
    path      = ("/" | "./" | "../" | "~/") …      a file of this machine, never anything else

``file:`` takes all the forms in use: ``file:///abs``, ``file://localhost/abs``, ``file:/abs``,
``file:rel`` and ``file://rel`` (the manual page's), percent-encoded as URLs are. A bare name
belongs to the default transport.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote_to_bytes

from ramalama.errors import InvalidReference


class Scheme(StrEnum):
    """How a model is reached."""

    FILE = "file"
    OLLAMA = "ollama"
    HUGGINGFACE = "hf"
    MODELSCOPE = "ms"
    OCI = "oci"
    HTTP = "http"
    HTTPS = "https"


_FILE = "file:"
_PATH_STARTS = ("/", "./", "../", "~/")
_PATHS = frozenset({".", "..", "~"})


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A parsed reference, spelled out: what it leaves open has been filled in.

    ========== ============================= =========================================
    scheme     location                      tag
    ========== ============================= =========================================
    file       absolute path                 ""
    ollama     ``library/smollm2``           ``135m``, "latest"; a host may precede
    hf, ms     ``org/repo``, ``org/repo/f``  quantisation as typed, ""
    oci        ``quay.io/org/model``         tag, or ``sha256:HEX`` of a manifest
    http(s)    ``host:port/path?query``      "", or ``sha256:HEX`` of the file
    ========== ============================= =========================================
    """

    scheme: Scheme
    location: str
    tag: str = ""

    @classmethod
    def parse(cls, text: str, *, home: Path | None = None, cwd: Path | None = None) -> Self:
        """Read what a user typed; *home* and *cwd* default to this process's.

        Raises:
            InvalidReference: it names no model file of this machine.
        """
        if text.startswith(_FILE):
            path = _path_of_url(text)
        elif text.startswith(_PATH_STARTS) or text in _PATHS:
            path = text
        else:
            raise InvalidReference(_not_a_path(text, cwd or Path()))
        if "\0" in path or not path:
            msg = f"{text!r} is not the path of a model"
            raise InvalidReference(msg)
        return cls(Scheme.FILE, _absolute(path, home=home, cwd=cwd))

    def __str__(self) -> str:
        """Write it in the form that `parse` reads everywhere: one line, in any encoding."""
        return f"{self.scheme}://{''.join(map(_in_url, self.location))}"


def _path_of_url(text: str) -> str:
    rest = text.removeprefix(_FILE)
    if rest.startswith("//"):
        rest = rest.removeprefix("//").removeprefix("localhost/")
        if text.startswith("file://localhost/"):
            rest = "/" + rest
    return os.fsdecode(unquote_to_bytes(os.fsencode(rest)))


def _in_url(char: str) -> str:
    """Percent-encode what would be read differently, or not be seen, and leave names readable."""
    return char if char.isprintable() and char != "%" else quote(os.fsencode(char))


def _absolute(path: str, *, home: Path | None, cwd: Path | None) -> str:
    if path == "~" or path.startswith("~/"):
        path = str((home or Path.home()) / path[2:])
    # No resolve(): a link is the user's name for the model, and it may change its target.
    return os.path.normpath((cwd or Path.cwd()) / path)


def _not_a_path(text: str, cwd: Path) -> str:
    if text and "\0" not in text and "://" not in text and os.path.lexists(cwd / text):
        return f"{text!r} is a name in a registry; for the file of that name type ./{text}"
    return (
        f"{text!r} names a model in a registry, which this version cannot pull yet; "
        "run a model file of this machine: file:///PATH, /PATH or ./PATH"
    )
