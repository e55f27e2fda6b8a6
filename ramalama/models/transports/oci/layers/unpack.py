"""Unpack the files of a model from the layers of an image, or from other tar archives.

No name in an archive becomes a path of this machine: content is written to files with generated
names, and then moved to the blob store by its digest. Layers are combined as in an image; links are
additional names of files.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.errors import ModelPullError, StoreError
from ramalama.models.download.values import FetchedBlob
from ramalama.models.formats import model_files
from ramalama.models.formats.model_files import Digest, FileKind
from ramalama.models.store.records import StoredFile
from ramalama.models.transports.oci.layers.compression import LayerError, LayerStream
from ramalama.models.transports.oci.layers.overlay import Link, Overlay, clean_path, is_whiteout
from ramalama.models.transports.oci.layers.tar import Member, MemberType, TarError, read_members
from ramalama.models.transports.oci.manifests.names import kind_of_content, kind_of_name
from ramalama_values.directories import READABLE, create_file, make_directories

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ramalama.models.download.values import BlobStore

_MOST_MEMBERS = 200_000  # in a layer; whole distributions have as many
_MOST_FILES = 4000  # of the model
_SLACK = 256 * 1024**2  # bytes that any layer may have uncompressed,
_RATIO = 100  # and more by this factor of its compressed size; gzip can reach a thousand
_HEAD = 4  # bytes


@dataclass(frozen=True, slots=True)
class _File:
    """A file in the scratch directory, and its first bytes."""

    blob: FetchedBlob
    head: bytes


def unpack(
    layers: Sequence[Path], blob_store: BlobStore, *, prefix: str, directory: Path, name: str
) -> tuple[StoredFile, ...]:
    """Unpack the files below *prefix* in *layers* into *blob_store*, and return them.

    Unfinished files are in *directory*, which should be on the blob store's file system; none is
    left there in the end.

    Raises:
        ModelPullError: a layer is damaged or far too large, or contains what no model has.
        ModelUnsupported: a layer's compression is not supported here.
        StoreError: the disk is full, or fails.
    """
    unpacker = _Unpacker(directory, prefix)
    try:
        make_directories(directory, mode=READABLE)
        for layer in layers:
            unpacker.read(layer)
        files = unpacker.overlay.files()
        for blob in {file.blob.digest: file.blob for file in files.values()}.values():
            blob_store.put(blob)
    except (LayerError, TarError) as exc:
        msg = f"a layer of {name} cannot be unpacked: {exc}"
        raise ModelPullError(msg) from exc
    except OSError as exc:
        msg = f"{name} cannot be unpacked in {directory}: {exc.strerror}"
        raise StoreError(msg) from exc
    finally:
        unpacker.clean_up()
    # Names of files come before names of links.
    paths = sorted(files, key=unpacker.overlay.is_link)
    return _stored({path.removeprefix(prefix): files[path] for path in paths})


class _Unpacker:
    """Combines the files of all layers."""

    def __init__(self, directory: Path, prefix: str) -> None:
        self.overlay = Overlay[_File]()
        self._directory = directory
        self._prefix = prefix
        self._made: list[Path] = []
        self._taken = 0

    def read(self, layer: Path) -> None:
        self.overlay.begin_layer()
        with LayerStream(layer, slack=_SLACK, ratio=_RATIO) as stream:
            for number, member in enumerate(read_members(stream)):
                if number >= _MOST_MEMBERS or self._taken >= _MOST_FILES:
                    msg = "there are too many files in it"
                    raise LayerError(msg)
                path = clean_path(member.name)
                if path is None:
                    msg = f"{member.name[:100]!r} leads outside of it"
                    raise LayerError(msg)
                if self._is_relevant(path):
                    self._taken += 1
                    self._take(path, member)

    def clean_up(self) -> None:
        """Remove the files that were not moved away."""
        for path in self._made:
            path.unlink(missing_ok=True)

    def _is_relevant(self, path: str) -> bool:
        directory = path.rpartition("/")[0]
        above = not directory or self._prefix.startswith(f"{directory}/")
        return path.startswith(self._prefix) or (above and is_whiteout(path))

    def _take(self, path: str, member: Member) -> None:
        if is_whiteout(path):
            self.overlay.white_out(path)
            return
        match member.type:
            case MemberType.FILE:
                if kind_of_name(path) is not None:
                    self.overlay.add(path, self._write(member))
            case MemberType.DIRECTORY:
                self.overlay.add_directory(path)
            case MemberType.HARD_LINK:
                target = clean_path(member.target)
                if entry := self.overlay.get(target or ""):
                    self.overlay.add(path, entry)
            case MemberType.SYMLINK:
                target = clean_path(member.target, base=path.rpartition("/")[0])
                self.overlay.add(path, Link(target or ""))
            case MemberType.OTHER:
                msg = f"{path[:100]!r} in it is neither a file nor a link"
                raise LayerError(msg)

    def _write(self, member: Member) -> _File:
        digest, head = hashlib.sha256(), b""
        path = self._directory / f"unpacked-{secrets.token_hex(8)}"
        self._made.append(path)
        with create_file(path) as file:
            for block in member.blocks():
                head = head or block[:_HEAD]
                digest.update(block)
                file.write(block)
        blob = FetchedBlob(path=path, digest=Digest(digest.hexdigest()), size=member.size)
        return _File(blob, head)


def _stored(files: Mapping[str, _File]) -> tuple[StoredFile, ...]:
    """Return the files; weights with several names get the first name that says what they are."""
    found = [
        StoredFile(name=name, kind=kind, digest=file.blob.digest, size=file.blob.size)
        for name, file in files.items()
        if (kind := kind_of_content(name, file.head)) is not None
    ]
    best: dict[Digest, StoredFile] = {}
    for file in sorted(found, key=lambda file: not model_files.is_gguf(file.name)):
        best.setdefault(file.digest, file)
    return tuple(
        file for file in found if file.kind is not FileKind.GGUF or best[file.digest] is file
    )
