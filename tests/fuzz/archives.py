"""Tars, and layers of images that hold a model."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import tarfile
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from backports import zstd

from ramalama.errors import ModelPullError, ModelUnsupported
from ramalama.models.transports.oci.layers.overlay import clean_path
from ramalama.models.transports.oci.layers.tar import MemberType, TarError, read_members
from ramalama.models.transports.oci.layers.unpack import unpack
from tests.fuzz.models import check_names
from tests.fuzz.targets import Target
from tests.fuzz.writes import writing_only_below

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ramalama.models.download.values import FetchedBlob
    from ramalama.models.formats.model_files import Digest
    from ramalama.models.store.records import StoredFile

_BLOCK = 512
_CHECKSUM = slice(148, 156)
_SIZE = slice(124, 136)
_LONGEST_NAME = 4096
_PREFIX = "models/"


def tar_members(data: bytes) -> None:
    """Read all members of a tar."""
    content = _FORMS[data[0] % 2](data[1:]) if data else b""
    total = 0
    with suppress(TarError):
        for member in read_members(io.BytesIO(content)):
            assert max(len(member.name), len(member.target)) <= _LONGEST_NAME
            assert member.size >= 0
            assert member.type in (MemberType.FILE, MemberType.OTHER) or member.size == 0
            assert sum(map(len, member.blocks())) == member.size
            total += member.size
            for path in (clean_path(member.name), clean_path(member.target, base="a/b")):
                assert path is None or path == os.path.normpath(path) or path == ""
                assert path is None or not path.startswith(("/", "../"))
                assert path != ".."
    assert total <= len(content)


def unpacked_layers(data: bytes) -> None:
    """Unpack layers that lie over each other."""
    form, cut, content = _FORMS[data[0] % len(_FORMS)] if data else _FORMS[0], data[1:2], data[2:]
    middle = int.from_bytes(cut) * _BLOCK
    pieces = [content[:middle], content[middle:]]
    with TemporaryDirectory() as made:
        root = Path(made)
        layers = [root / f"layer-{number}" for number, _ in enumerate(pieces)]
        for path, piece in zip(layers, pieces, strict=True):
            path.write_bytes(form(piece))
        _unpack(root, layers)


def _unpack(root: Path, layers: Sequence[Path]) -> None:
    before = {path: path.read_bytes() for path in layers}
    shelf, scratch = _Shelf(root / "shelf"), root / "scratch"
    with suppress(ModelPullError, ModelUnsupported), writing_only_below(root):
        files = unpack(layers, shelf, prefix=_PREFIX, directory=scratch, name="fuzz")
        _check_files(files, shelf)
    assert {path: path.read_bytes() for path in layers} == before
    assert {*root.iterdir()} <= {*layers, scratch, root / "shelf"}
    assert not list(scratch.iterdir())


def _check_files(files: Sequence[StoredFile], shelf: _Shelf) -> None:
    for file in files:
        check_names([file.name])
        assert not file.name.lower().endswith(".py")
        assert shelf.sizes[file.digest] == file.size


class _Shelf:
    """Keeps contents in a directory, after a look at them."""

    def __init__(self, directory: Path) -> None:
        self.sizes: dict[Digest, int] = {}
        self._directory = directory
        directory.mkdir()

    def find(self, digest: Digest) -> Path | None:
        """Return where it is."""
        return self._directory / digest.hex if digest in self.sizes else None

    def put(self, fetched: FetchedBlob) -> Path:
        """Take a file."""
        content = fetched.path.read_bytes()
        assert hashlib.sha256(content).hexdigest() == fetched.digest.hex
        self.sizes[fetched.digest] = len(content)
        return fetched.path.rename(self._directory / fetched.digest.hex)


def _with_checksums(content: bytes) -> bytes:
    """Write the right checksum into each header, since chance alone never would."""
    archive, position = bytearray(content), 0
    while (header := archive[position : position + _BLOCK]).strip(b"\0"):
        header[_CHECKSUM] = b" " * 8
        written = b"%06o\0 " % sum(header)
        archive[position + 148 : position + 148 + len(written)] = written
        digits = re.match(rb"[0-7]*", header[_SIZE])
        size = int(digits[0] or b"0", 8) if digits else 0
        position += _BLOCK + size + -size % _BLOCK
    return bytes(archive)


# How the bytes of a layer are packed: the first of an input chooses.
_FORMS: Sequence[Callable[[bytes], bytes]] = (
    bytes,
    _with_checksums,
    lambda content: gzip.compress(_with_checksums(content), 1, mtime=0),
    lambda content: zstd.compress(_with_checksums(content), 1),
)


def tar_seeds() -> tuple[bytes, ...]:
    """Return tars of every format."""
    return tuple(bytes([form]) + tar for tar in _tars() for form in (0, 1))


def layer_seeds() -> tuple[bytes, ...]:
    """Return the same as layers, in every form, whole and cut into two."""
    tars = _tars()
    whole = [bytes([form, 255]) + tar for tar in tars for form in range(len(_FORMS))]
    pairs = zip(tars, (*tars[1:], tars[0]), strict=True)
    cut = [bytes([1, len(tar) // _BLOCK]) + tar + other for tar, other in pairs]
    return (*whole, *cut)


def _tars() -> tuple[bytes, ...]:
    long = _PREFIX + "directory/" * 20 + "file.gguf"
    plain = [_member("models/a.gguf", b"GGUF"), _member("models/b", b"GGUF"), _member("etc/x", b"")]
    links = [
        _member("models", kind=tarfile.DIRTYPE),
        _member("models/m/a.gguf", b"GGUF and more"),
        _member("models/model.file", kind=tarfile.SYMTYPE, target="m/a.gguf"),
        _member("models/hard.gguf", kind=tarfile.LNKTYPE, target="models/m/a.gguf"),
        _member("models/chat.jinja", b"{{ messages }}"),
        _member("models/code.py", b"import os"),
    ]
    whiteouts = [_member("models/.wh.b"), _member("models/.wh..wh..opq"), _member("models/b/c.txt")]
    odd = [_member("models/é.gguf", b"GGUF", pax=True), _member("dev/null", kind=tarfile.CHRTYPE)]
    long_names = [_member(long, b"GGUF"), _member("models/l", kind=tarfile.SYMTYPE, target=long)]
    return (
        _tar(plain),
        _tar(links),
        _tar(whiteouts),
        _tar(odd),
        _tar(long_names[:1], tarfile.USTAR_FORMAT),
        _tar(long_names, tarfile.GNU_FORMAT),
        _tar(long_names, tarfile.PAX_FORMAT),
    )


def _member(
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    target: str = "",
    pax: bool = False,
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, len(content)
    if pax:
        info.pax_headers = {"path": name, "size": str(len(content)), "mtime": "1.5"}
    return info, content


def _tar(
    members: Sequence[tuple[tarfile.TarInfo, bytes]], format_: int = tarfile.PAX_FORMAT
) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format_) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    end = len(file.getvalue().rstrip(b"\0"))
    return file.getvalue()[: end + -end % _BLOCK] + bytes(2 * _BLOCK)


TARGETS: Mapping[str, Target] = {
    "tar": Target(run=tar_members, seeds=tar_seeds, short=3000),
    "layers": Target(run=unpacked_layers, seeds=layer_seeds, short=300),
}
