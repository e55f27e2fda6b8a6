"""Parse a reference: what a user types for a model.

    reference = "file:" path-in-a-URL | path | transport "://" name | address | name
    path      = ("/" | "./" | "../" | "~/") …      always a file of this machine
    transport = "ollama" | "hf" | "huggingface" | "ms" | "modelscope" | "oci" | "docker" | "rlcr"
              | "http" | "https"
    address   = a hub's, as in "hf.co/" name       see `urls`
              | registry "/" name                  an OCI one; registry has "." or ":", or is
                                                   localhost
    name      = see `names`                        without a transport, the default one's

``file:`` takes all the forms in use: ``file:///abs``, ``file://localhost/abs``, ``file:/abs``,
``file:rel`` and ``file://rel`` (the manual page's), percent-encoded as URLs are. ``rlcr://name``
is ``oci://rlcr.io/ramalama/name``.

A name is rejected if it would use another host although a file of that name exists: a user who
forgot the ``./`` would reveal the name to a server. A reference must not have a password, since
references get into labels and lists.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote_to_bytes

from ramalama.errors import InvalidReference
from ramalama.models.reference.names import names_host, parse_hub, parse_oci, parse_ollama
from ramalama.models.reference.scheme import PREFIXES, Scheme
from ramalama.models.reference.urls import hub_reference, parse_url
from ramalama_values import frozen

_FILE = "file:"
_PATH_STARTS = ("/", "./", "../", "~/")
_PATHS = frozenset({".", "..", "~"})
_RLCR = "rlcr.io/ramalama"
_SHA256 = "sha256:"
_LONGEST = 4096
_LONGEST_SHOWN = 100
# Compiled by `re` when first used, so that importing this module takes no time.
# A password ends at the "@" before a server (unless a digest follows); it may contain slashes. A
# number before a slash is a port.
_PASSWORD = r"(?s)(^(?!\w+://)|://)(?:[^/]*@|[^/:\[]*:(?![0-9]+/).*@)(?!sha[0-9]+:)"  # noqa: S105 (where one is)
_QUERY = r"(?s)\?.*"


@frozen(kw_only=False)
class ModelRef:
    """A parsed reference with all parts spelled out, including defaults.

    ========== ============================= =========================================
    scheme     location                      tag
    ========== ============================= =========================================
    file       absolute path                 ""
    ollama     ``library/smollm2``           ``135m``, "latest"; a host may precede
    hf, ms     ``org/repo``, ``org/repo/f``  quantisation as typed, ""; see `HubName`
    oci        ``quay.io/org/model``         tag, or ``sha256:HEX`` of a manifest
    http(s)    ``host:port/path?query``      "", or ``sha256:HEX`` of the file
    ========== ============================= =========================================

    All text in it is printable (except in the path of a file), and no part of a location is ``..``.
    """

    scheme: Scheme
    location: str
    tag: str = ""

    def __repr__(self) -> str:
        return f"ModelRef.parse({str(self)!r})"

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        home: Path | None = None,
        cwd: Path | None = None,
        default: Scheme = Scheme.OLLAMA,
    ) -> Self:
        """Parse what a user typed; *home* and *cwd* default to those of this process.

        *default* is the transport of a name without one; it must be a transport that has names.

        Raises:
            InvalidReference: *text* does not name a model.
        """
        if text.startswith(_FILE):
            return cls(Scheme.FILE, _absolute(_path_of_url(text), text, home=home, cwd=cwd))
        if text.startswith(_PATH_STARTS) or text in _PATHS:
            return cls(Scheme.FILE, _absolute(text, text, home=home, cwd=cwd))
        try:
            _check(text)
            if "://" not in text:
                _refuse_local_name(text, cwd or Path())
            return cls(*_named(_in_full(text, default)))
        except ValueError as exc:
            msg = f"{_shown(text)} does not name a model: {exc}"
            raise InvalidReference(msg) from None

    def __str__(self) -> str:
        """Return the reference in a form that `parse` always reads: one line, in any encoding."""
        match self.scheme:
            case Scheme.FILE:
                return f"file://{''.join(map(_in_url, self.location))}"
            case Scheme.HTTP | Scheme.HTTPS:
                tag = self.tag.replace(_SHA256, "#sha256=")
            case _ if self.tag.startswith(_SHA256):
                tag = f"@{self.tag}"
            case _:
                tag = f":{self.tag}" if self.tag else ""
        return f"{self.scheme}://{self.location}{tag}"


def _check(text: str) -> None:
    if not text or not text.isprintable() or len(text) > _LONGEST:
        msg = f"a name must have 1 to {_LONGEST} printable characters"
        raise ValueError(msg)
    if text[0].isspace() or text[-1].isspace():
        msg = "there is a space before or after it"
        raise ValueError(msg)
    if re.search(_PASSWORD, text):
        msg = "a reference must not have a user name or a password; see `ramalama login`"
        raise ValueError(msg)


def _refuse_local_name(text: str, cwd: Path) -> None:
    if os.path.isfile(cwd / text):  # noqa: PTH113 (Path.is_file raises for paths it cannot read)
        msg = f"there is a file of that name; write ./{text} to use it, or name the transport"
        raise ValueError(msg)


def _in_full(text: str, default: Scheme) -> str:
    """Return *text* with the transport that it implies."""
    if found := hub_reference(text):
        return found
    prefix, mark, rest = text.partition("://")
    if mark:
        return f"oci://{_RLCR}/{rest}" if prefix.lower() == "rlcr" else text
    first, slash, _ = text.partition("/")
    return f"{Scheme.OCI if slash and names_host(first) else default}://{text}"


def _named(text: str) -> tuple[Scheme, str, str]:
    prefix, _, rest = text.partition("://")
    scheme = PREFIXES.get(prefix.lower())
    match scheme:
        case None:
            msg = f"there is no transport {prefix[:40]!r}, only {', '.join(PREFIXES)} and file"
            raise ValueError(msg)
        case Scheme.OLLAMA:
            return (scheme, *parse_ollama(rest))
        case Scheme.HUGGINGFACE | Scheme.MODELSCOPE:
            return (scheme, *parse_hub(rest))
        case Scheme.OCI:
            return (scheme, *parse_oci(rest))
        case _:
            return (scheme, *parse_url(scheme, rest))


def _path_of_url(text: str) -> str:
    rest = text.removeprefix(_FILE)
    if rest.startswith("//"):
        rest = rest.removeprefix("//").removeprefix("localhost/")
        if text.startswith("file://localhost/"):
            rest = "/" + rest
    return os.fsdecode(unquote_to_bytes(os.fsencode(rest)))


def _in_url(char: str) -> str:
    """Percent-encode characters that are not printable or could be misread, and keep the others."""
    return char if char.isprintable() and char != "%" else quote(os.fsencode(char))


def _absolute(path: str, text: str, *, home: Path | None, cwd: Path | None) -> str:
    if "\0" in path or not path:
        msg = f"{_shown(text)} is not the path of a model"
        raise InvalidReference(msg)
    if path == "~" or path.startswith("~/"):
        path = str((home or Path.home()) / path[2:])
    # No resolve(): a link is the user's name for the model, and its target may change.
    return os.path.normpath(path if path.startswith("/") else (cwd or _current_directory()) / path)


def _current_directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        msg = "the current directory has been removed"
        raise InvalidReference(msg, hint="give the model's absolute path") from None


def _shown(text: str) -> str:
    """Quote what was typed, shortened, and without a part that may be a password."""
    text = re.sub(_PASSWORD, r"\1…@", re.sub(_QUERY, "?…", text[:_LONGEST]))
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")


_REFERENCE_STARTS = ("file:", "/", ".", "~")


def is_reference(text: str) -> bool:
    """Return whether *text* is a reference, with a transport or a path, and not a short name."""
    return "://" in text or text.startswith(_REFERENCE_STARTS)
