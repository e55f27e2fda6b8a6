"""Parse the names of models in each registry.

    ollama  = [[host "/"] namespace "/"] name [":" tag]          "library", "latest"
    hub     = org "/" repo ["@" revision] ["/" file] [":" quantisation]
    oci     = as Docker and Podman read it; see `ramalama_engines.image_reference`

Each function takes what follows ``://`` and returns the full location and tag. The message of its
ValueError says what is wrong and does not repeat the name. Sources: Ollama's package types/model;
huggingface_hub's repository names and the ``@`` of its URIs.
"""

from __future__ import annotations

import re
from typing import Self

from ramalama.models.reference.urls import OLLAMA_HOSTS, parse_host
from ramalama_values import frozen

_LATEST = "latest"
_LIBRARY = "library"

# Compiled by `re` when first used, so that importing this module takes no time.
_OLLAMA_NAMESPACE = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}"
_OLLAMA_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_HUB_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}"
_REVISION = r"[A-Za-z0-9_][A-Za-z0-9_.%+-]{0,249}"


def parse_ollama(text: str) -> tuple[str, str]:
    """Parse a name of Ollama's; the host is omitted if it is Ollama's own registry."""
    name, tag = _split_tag(text)
    *place, model = name.split("/")
    if place and place[0].lower() in OLLAMA_HOSTS:
        place = place[1:]
    *host, namespace = place or [_LIBRARY]
    _check("namespace", namespace, _OLLAMA_NAMESPACE)
    _check("name", model, _OLLAMA_PART)
    tag = _LATEST if tag is None else tag
    _check("tag", tag, _OLLAMA_PART)
    if len(host) > 1 or (host and not names_host(host[0])):
        msg = "a name of Ollama's has the form [HOST/][NAMESPACE/]NAME[:TAG]; for Hugging Face use hf://"
        raise ValueError(msg)
    return "/".join((*map(parse_host, host), namespace, model)), tag


def parse_hub(text: str) -> tuple[str, str]:
    """Parse the name of a repository or of a file in it; the tag is "" if missing or "latest"."""
    location, tag = _split_tag(text)
    name = HubName.parse(location)
    if tag is None or tag.lower() == _LATEST:
        return location, ""
    _check("quantisation", tag, _HUB_PART)
    if name.file:
        msg = "it names a file and a quantisation; leave out one of them"
        raise ValueError(msg)
    return location, tag


def parse_oci(text: str) -> tuple[str, str]:
    """Parse the name of an image or artifact; with a digest, the tag is ``sha256:HEX``."""
    from ramalama_engines.image_reference import ImageReference  # noqa: PLC0415 (only here)

    try:
        reference = ImageReference.parse(text)
    except ValueError as exc:
        reason = str(exc).rpartition(": ")[2]
        capitals = "" if text.islower() else "; the names of images must be in lower case"
        msg = f"{reason}{capitals}"
        raise ValueError(msg) from None
    if reference.digest and not reference.digest.startswith("sha256:"):
        msg = "only SHA-256 digests are supported"
        raise ValueError(msg)
    return reference.repository, reference.digest or reference.tag or _LATEST


@frozen()
class HubName:
    """A name at Hugging Face or ModelScope: the parts of `ModelRef.location`.

    Attributes:
        repository: ``org/repo``.
        revision: branch, tag or commit, percent-encoded as in the hub's URLs; None is the default
            branch.
        file: relative path in the repository; None means all files of the model.
    """

    repository: str
    revision: str | None = None
    file: str | None = None

    @classmethod
    def parse(cls, location: str) -> Self:
        """Parse ``org/repo[@revision][/file]``.

        Raises:
            ValueError: *location* has another form.
        """
        organisation, _, rest = location.partition("/")
        pinned, slash, file = rest.partition("/")
        name, at, revision = pinned.partition("@")
        if not name:
            msg = "a model there has the form ORG/REPO, ORG/REPO:QUANTISATION or ORG/REPO/FILE.gguf"
            raise ValueError(msg)
        _check("organisation", organisation, _HUB_PART)
        _check("repository", name, _HUB_PART)
        if at:
            _check("revision", revision, _REVISION)
        if slash:
            _check_file(file)
        return cls(
            repository=f"{organisation}/{name}", revision=revision or None, file=file or None
        )


def names_host(text: str) -> bool:
    """Return whether the first part of a name is a host, by Docker's rule."""
    return "." in text or ":" in text or text == "localhost"


def _split_tag(text: str) -> tuple[str, str | None]:
    """Split at the last colon, unless it begins a port: no slash follows a tag's colon."""
    name, colon, tag = text.rpartition(":")
    return (text, None) if not colon or "/" in tag else (name, tag)


def _check(part: str, value: str, pattern: str) -> None:
    if re.fullmatch(pattern, value) is None:
        article = "an" if part[0] in "aeiou" else "a"
        msg = f"{value[:40]!r} cannot be {article} {part}"
        raise ValueError(msg)


def _check_file(path: str) -> None:
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or ":" in path or "\\" in path:
        msg = f"{path[:100]!r} cannot be the path of a file in a repository"
        raise ValueError(msg)
