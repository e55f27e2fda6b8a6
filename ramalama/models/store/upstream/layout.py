"""Map references to the directories and tags in upstream RamaLama's store.

    BASE/store/TYPE/ORGANISATION/NAME/blobs/sha256-HEX
    BASE/store/TYPE/ORGANISATION/NAME/refs/TAG.json
    BASE/store/TYPE/ORGANISATION/NAME/snapshots/sha256-HEX/FILE

An organisation may have several parts; for a single file of a repository, it is the repository's
own directory. Source: upstream 0.25, `extract_model_identifiers` of its transports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.model_files import checked_name
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BLOBS = "blobs"
REFS = "refs"
SNAPSHOTS = "snapshots"
INSIDE = frozenset({BLOBS, REFS, SNAPSHOTS})

_LATEST = "latest"
_REF = ".json"
_LONGEST_TAG = 200  # leaves room for suffixes in a file's name
_FILE_IN_REPOSITORY = 3  # ORG/REPO/FILE at least

_TYPES = {
    Scheme.FILE: "file",
    Scheme.OLLAMA: "ollama",
    Scheme.HUGGINGFACE: "huggingface",
    Scheme.MODELSCOPE: "modelscope",
    Scheme.OCI: "oci",
    Scheme.HTTP: "http",
    Scheme.HTTPS: "https",
}
_SCHEMES = {name: scheme for scheme, name in _TYPES.items()}


@frozen()
class Place:
    """A model's directory below ``store/`` and its tag there.

    Attributes:
        parts: type, organisation and name; each is one directory.
    """

    parts: tuple[str, ...]
    tag: str

    def directory(self, store: Path) -> Path:
        """Return the model's directory, which it shares with its other tags."""
        return store.joinpath(*self.parts)

    def ref(self, store: Path) -> Path:
        """Return the ref file, which describes the tag."""
        return self.directory(store) / REFS / f"{self.tag}{_REF}"

    @property
    def ref_path(self) -> tuple[str, ...]:
        """The path from ``store/`` to the ref file, without ``refs``."""
        return (*self.parts, f"{self.tag}{_REF}")


def place_of(reference: ModelRef) -> Place | None:
    """Return the place of *reference* in upstream's store.

    Return None if it has no safe place: if a part of the name would leave its directory, or would
    equal one of the three directories inside a model's directory.
    """
    name, tag = _identify(reference)
    parts = (_TYPES[reference.scheme], *name.split("/"))
    if len(parts) < 2 or not all(map(_is_directory, parts)) or not _is_tag(tag):  # noqa: PLR2004 (type and name)
        return None
    return Place(parts=parts, tag=tag)


def reference_at(parts: Sequence[str], ref_name: str) -> ModelRef | None:
    """Return the reference of the file *ref_name* in a model's ``refs``; None if it has none.

    This is the inverse of `place_of`, except for what upstream drops: the port of a URL.
    """
    tag = ref_name.removesuffix(_REF)
    if len(parts) < 2 or parts[0] not in _SCHEMES or not _is_tag(tag):  # noqa: PLR2004 (see above)
        return None
    scheme, name = _SCHEMES[parts[0]], "/".join(parts[1:])
    match scheme:
        case Scheme.FILE:
            return ModelRef(scheme, f"/{name}")
        case Scheme.OLLAMA:
            return ModelRef(scheme, name, tag)
        case Scheme.OCI:
            name, at, algorithm = name.partition("@")
            return ModelRef(scheme, name, f"{algorithm}:{tag}" if at else tag)
        case Scheme.HTTP | Scheme.HTTPS:
            return ModelRef(scheme, _address(name, tag))
        case _:
            return ModelRef(scheme, name, "" if tag == _LATEST else tag)


def says_all(reference: ModelRef) -> bool:
    """Return whether the place of *reference* is unambiguous; it is not for a URL with a port."""
    host = reference.location.partition("/")[0]
    return reference.scheme not in (Scheme.HTTP, Scheme.HTTPS) or ":" not in host


def _identify(reference: ModelRef) -> tuple[str, str]:
    """Split a reference into name (with the organisation) and tag, as upstream does."""
    match reference.scheme:
        case Scheme.FILE:
            return reference.location.removeprefix("/"), _LATEST
        case Scheme.HTTP | Scheme.HTTPS:
            return _identify_url(reference.location)
        case Scheme.OCI if ":" in reference.tag:
            algorithm, _, tag = reference.tag.partition(":")
            return f"{reference.location}@{algorithm}", tag
        case Scheme.HUGGINGFACE if reference.location.count("/") + 1 < _FILE_IN_REPOSITORY:
            tag = reference.tag or _LATEST
            return reference.location, tag if tag == _LATEST else tag.upper()
        case _:
            return reference.location, reference.tag or _LATEST


def _identify_url(location: str) -> tuple[str, str]:
    host, slash, path = location.partition("/")
    name, colon, tag = f"{host.partition(':')[0]}{slash}{path}".rpartition(":")
    if not colon:
        name, tag = tag, _LATEST
    *organisation, file = name.split("/")
    match organisation:
        case ["huggingface.co" | "modelscope.cn", *_, "resolve", revision]:
            return "/".join((*organisation[:-2], file)), revision
        case [_, *_, "file", _, revision]:
            return "/".join((*organisation[:-3], file)), revision
        case [_, *_, "blob", revision]:
            return "/".join((*organisation[:-2], file)), revision
        case _:
            return name, tag


def _address(name: str, tag: str) -> str:
    if tag == _LATEST:
        return name
    directory, _, file = name.rpartition("/")
    host = name.partition("/")[0]
    return f"{directory}/{'resolve' if host == 'huggingface.co' else 'blob'}/{tag}/{file}"


def _is_directory(text: str) -> bool:
    # On a file system that ignores letter case, "Refs" is the same as "refs".
    return _is_segment(text) and text.lower() not in INSIDE


def _is_tag(text: str) -> bool:
    # Upstream also looks for a tag without .json, and then removes the file.
    return _is_segment(text) and len(text.encode()) <= _LONGEST_TAG and _REF not in text.lower()


def _is_segment(text: str) -> bool:
    try:
        return "/" not in checked_name(text)
    except ModelUnsupported:
        return False
