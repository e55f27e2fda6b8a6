"""Parse references of OCI images, in the same way as Docker and Podman.

    reference  = name [":" tag] ["@" digest]
    name       = [domain "/"] path
    domain     = host [":" port]
    host       = component *("." component) | "[" IPv6 "]"
    path       = word *("/" word)
    word       = alnum *(("." | "_" | "__" | 1*"-") alnum)       alnum: a-z and 0-9 only
    tag        = (letter | digit | "_") up to 127*(letter | digit | "_" | "." | "-")
    digest     = "sha256:" 64 hex | "sha384:" 96 hex | "sha512:" 128 hex

The first part of a name is a domain if it has a dot, a colon or a capital letter, or is
``localhost``; else the domain is ``docker.io``, where a path of one word is below ``library/``.
Source: the reference package of the distribution project, and the OCI distribution spec 1.1.
"""

from __future__ import annotations

import re
from typing import Self

from ramalama_values import frozen

DEFAULT_DOMAIN = "docker.io"
_DOMAIN_ALIASES = ("docker.io", "index.docker.io")
_LONGEST_PATH = 255
_LARGEST_PORT = 65535
_LONGEST_SHOWN = 100

# Compiled by `re` when first used, so that importing this module takes no time.
_COMPONENT = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_PORT = r"[0-9]{1,5}"
_DOMAIN = rf"(?P<host>{_COMPONENT}(?:\.{_COMPONENT})*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>{_PORT}))?"
_WORD = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_PATH = rf"{_WORD}(?:/{_WORD})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}"
_IMAGE_ID = r"(?:sha256:)?[0-9a-f]{64}"


def is_image_id(text: str) -> bool:
    """Return whether *text* is the full ID of a local image, which no registry can resolve."""
    return re.fullmatch(_IMAGE_ID, text) is not None


@frozen()
class ImageReference:
    """An image in a registry, with all parts spelled out.

    Attributes:
        domain: the registry's host, with its port if there is one.
        path: the repository in the registry, "library/debian".
        tag: None if there is none; the engines then use "latest", unless there is a digest.
        digest: identifies the content; it takes precedence over the tag.
    """

    domain: str
    path: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a reference as given to `--image`.

        Raises:
            ValueError: *text* is not a reference; the message says which part is not valid.
        """
        if is_image_id(text):
            msg = f"{text!r} is the ID of an image, not a reference to one in a registry"
            raise ValueError(msg)
        rest, at, digest = text.partition("@")
        name, tag = _split_tag(rest)
        domain, path = _split_domain(name)
        _check(text, "registry", domain, valid=_is_domain(domain))
        _check(text, "repository", path, valid=_is_path(path))
        _check(text, "tag", tag, valid=tag is None or re.fullmatch(_TAG, tag) is not None)
        _check(text, "digest", digest, valid=not at or re.fullmatch(_DIGEST, digest) is not None)
        return cls(domain=domain, path=path, tag=tag, digest=digest or None)

    def format(self) -> str:
        """Return the full reference; `parse` turns it back into an equal value."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"

    @property
    def repository(self) -> str:
        """The name without tag and digest, ``docker.io/library/debian``."""
        return f"{self.domain}/{self.path}"

    @property
    def host(self) -> str:
        """The registry's host without port and brackets."""
        found = re.fullmatch(_DOMAIN, self.domain)
        return found["host"].strip("[]") if found else self.domain


def _split_tag(text: str) -> tuple[str, str | None]:
    """Split at the last colon, unless it begins a port: no slash follows a tag's colon."""
    name, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        return text, None
    return name, tag


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    named = any(char in ".:" or char.isupper() for char in first) or first == "localhost"
    if slash and named and first not in _DOMAIN_ALIASES:
        return first, rest
    path = rest if slash and named else name
    return DEFAULT_DOMAIN, path if "/" in path else f"library/{path}"


def _is_domain(domain: str) -> bool:
    found = re.fullmatch(_DOMAIN, domain)
    return found is not None and 0 < int(found["port"] or 443) <= _LARGEST_PORT


def _is_path(path: str) -> bool:
    return len(path) <= _LONGEST_PATH and re.fullmatch(_PATH, path) is not None


def _check(text: str, part: str, value: str | None, *, valid: bool) -> None:
    if not valid:
        msg = (
            f"{_shown(text)} is not an image reference: its {part} {_shown(value or '')} is invalid"
        )
        raise ValueError(msg)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")
