"""Models come out of the layers of images, and nothing else does."""

from __future__ import annotations

import gzip
import io
import random
import sys
import tarfile
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramalama.errors import ModelError, ModelPullError, ModelUnsupported, StoreError
from ramalama.models.formats.model_files import Digest, FileKind
from ramalama.models.store.records import StoredFile
from ramalama.models.transports.oci.layers.compression import LayerError, LayerStream
from ramalama.models.transports.oci.layers.unpack import unpack
from tests.doubles import oci_models
from tests.doubles.oci_models import make_tar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ramalama.models.download.values import FetchedBlob

GGUF = b"GGUF and so on"


class BlobStore:
    """Keeps contents in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True)

    def find(self, digest: Digest) -> Path | None:
        path = self.directory / digest.hex
        return path if path.exists() else None

    def put(self, fetched: FetchedBlob) -> Path:
        assert fetched.size == fetched.path.stat().st_size
        return fetched.path.rename(self.directory / fetched.digest.hex)

    def contents(self) -> set[bytes]:
        return {path.read_bytes() for path in self.directory.iterdir()}


@pytest.fixture
def blob_store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "shelf")


def take(
    root: Path, blob_store: BlobStore, *layers: bytes, prefix: str = "models/"
) -> tuple[StoredFile, ...]:
    """Unpack *layers*, and make sure that nothing is left lying about."""
    directory = root / "scratch"
    directory.mkdir(exist_ok=True)
    paths = [root / f"layer-{number}" for number, _ in enumerate(layers)]
    for path, content in zip(paths, layers, strict=True):
        path.write_bytes(content)
    try:
        return unpack(paths, blob_store, prefix=prefix, directory=directory, name="oci://r/m:1")
    finally:
        assert list(directory.iterdir()) == []


def names(files: tuple[StoredFile, ...]) -> list[str]:
    return [file.name for file in files]


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def zstd(content: bytes) -> bytes:
    newest = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    compressed: bytes = import_module(newest).compress(content)
    return compressed


def make_bomb() -> bytes:
    """Pack 600 MB of zeros, in a file that is no model's, into half a megabyte."""
    info = tarfile.TarInfo("etc/zeros")
    info.size = 600 * 1024**2
    return gzip.compress(info.tobuf()) + 600 * gzip.compress(bytes(1024**2), 9)


def test_what_is_below_the_prefix_is_put_on_the_shelf(
    tmp_path: Path, blob_store: BlobStore
) -> None:
    layer = make_tar(
        {
            "etc/passwd": b"root",
            "models/smollm2/m.gguf": GGUF,
            "./models/smollm2/config.json": b"{}",
            "modelsx": b"no",
        }
    )

    files = take(tmp_path, blob_store, layer)

    assert files == (
        StoredFile(
            name="smollm2/config.json",
            kind=FileKind.OTHER,
            digest=Digest.parse(oci_models.digest(b"{}")),
            size=2,
        ),
        StoredFile(
            name="smollm2/m.gguf",
            kind=FileKind.GGUF,
            digest=Digest.parse(oci_models.digest(GGUF)),
            size=len(GGUF),
        ),
    )
    assert blob_store.contents() == {GGUF, b"{}"}


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["tar", "gzip"])
def test_how_a_layer_is_compressed_is_seen_from_its_first_bytes(
    tmp_path: Path, blob_store: BlobStore, compress: type[bytes]
) -> None:
    content = random.Random(1).randbytes(3_000_000)  # noqa: S311 (anything that fills blocks)

    files = take(tmp_path, blob_store, compress(make_tar({"models/m.gguf": content})))

    assert files[0].digest == Digest.parse(oci_models.digest(content))


def test_gzip_may_come_in_several_pieces(tmp_path: Path, blob_store: BlobStore) -> None:
    layer = make_tar({"models/m.gguf": GGUF})
    pieces = gzip.compress(layer[:700]) + gzip.compress(layer[700:])

    assert names(take(tmp_path, blob_store, pieces)) == ["m.gguf"]


def test_without_a_prefix_everything_belongs_to_the_model(
    tmp_path: Path, blob_store: BlobStore
) -> None:
    layer = make_tar({"a/m.gguf": GGUF, "b.json": b"{}"})

    assert names(take(tmp_path, blob_store, layer, prefix="")) == ["a/m.gguf", "b.json"]


def test_code_stays_where_it_is(tmp_path: Path, blob_store: BlobStore) -> None:
    layer = make_tar({"models/m.gguf": GGUF, "models/modeling.py": b"import os"})

    assert names(take(tmp_path, blob_store, layer)) == ["m.gguf"]
    assert blob_store.contents() == {GGUF}


LINKED: dict[str, tuple[dict[str, bytes], dict[str, str], list[str]]] = {
    "upstream's link to the model": (
        {"models/s/m.gguf": GGUF},
        {"models/model.file": "/models/s/m.gguf"},
        ["s/m.gguf"],
    ),
    "a relative one, to a model without a suffix": (
        {"models/s/smollm2": GGUF},
        {"models/model.file": "s/smollm2"},
        ["s/smollm2"],
    ),
    "one that has the better name": (
        {"models/blobs/abc": GGUF},
        {"models/m.gguf": "blobs/abc"},
        ["m.gguf"],
    ),
    "one of a cache": (
        {"models/blobs/abc": b"weights", "models/blobs/def": b"{}"},
        {
            "models/snapshots/1/model.safetensors": "../../blobs/abc",
            "models/snapshots/1/config.json": "../../blobs/def",
        },
        ["blobs/abc", "blobs/def", "snapshots/1/config.json", "snapshots/1/model.safetensors"],
    ),
    "out of the model": ({"models/m.gguf": GGUF}, {"models/x.gguf": "/etc/passwd"}, ["m.gguf"]),
    "out of the image": (
        {"models/m.gguf": GGUF},
        {"models/x.gguf": "../../../../etc/passwd"},
        ["m.gguf"],
    ),
    "to itself": ({"models/m.gguf": GGUF}, {"models/x.gguf": "x.gguf"}, ["m.gguf"]),
}


@pytest.mark.parametrize(("files", "links", "expected"), LINKED.values(), ids=LINKED)
def test_a_link_is_a_name_of_a_file_or_nothing(
    tmp_path: Path,
    blob_store: BlobStore,
    files: Mapping[str, bytes],
    links: Mapping[str, str],
    expected: list[str],
) -> None:
    assert names(take(tmp_path, blob_store, make_tar(files, links))) == expected
    assert blob_store.contents() == set(files.values())


def test_a_hard_link_is_a_name_of_a_file_too(tmp_path: Path, blob_store: BlobStore) -> None:
    layer = packed(
        (tarfile.TarInfo("models/a.gguf"), GGUF),
        (tarfile.TarInfo("models/config.json"), b"{}"),
        special("models/copy.json", tarfile.LNKTYPE, "models/config.json"),
        special("models/passwd", tarfile.LNKTYPE, "/etc/passwd"),
    )

    assert names(take(tmp_path, blob_store, layer)) == ["a.gguf", "config.json", "copy.json"]


@pytest.mark.parametrize(
    ("upper", "expected"),
    [
        ({"models/.wh.a.gguf": b""}, ["b.gguf"]),
        ({"models/.wh..wh..opq": b"", "models/c.gguf": GGUF + b"c"}, ["c.gguf"]),
        ({".wh.models": b"", "models/c.gguf": GGUF + b"c"}, ["c.gguf"]),
        ({"models/a.gguf": GGUF + b"new"}, ["a.gguf", "b.gguf"]),
        ({"etc/.wh.models": b"", "etc/.wh..wh..opq": b""}, ["a.gguf", "b.gguf"]),
    ],
)
def test_a_later_layer_counts(
    tmp_path: Path, blob_store: BlobStore, upper: Mapping[str, bytes], expected: list[str]
) -> None:
    lower = {"models/a.gguf": GGUF + b"a", "models/b.gguf": GGUF + b"b"}

    files = take(tmp_path, blob_store, make_tar(lower), make_tar(upper))

    assert names(files) == expected
    content = upper.get(f"models/{files[0].name}") or lower[f"models/{files[0].name}"]
    assert files[0].digest == Digest.parse(oci_models.digest(content))


HOSTILE = {
    "no archive": (b"<html>" * 200, "not a tar archive"),
    "cut off": (make_tar({"models/m.gguf": GGUF * 100})[:700], "it ends within a file"),
    "gzip, cut off": (gzip.compress(make_tar({"models/m.gguf": GGUF}))[:-30], "it is damaged"),
    "gzip, damaged": (
        gzip.compress(make_tar({"models/m.gguf": random.Random(1).randbytes(5000)}))[:2000]  # noqa: S311 (noise)
        + b"damage" * 500,
        "it is damaged",
    ),
    "gzip in name only": (b"\x1f\x8bno", "it is damaged"),
    "a path that leads out": (make_tar({"models/../../m.gguf": GGUF}), "leads outside of it"),
    "a bomb": (make_bomb(), "uncompressed content is far too large"),
    "a device": (packed(special("models/null", tarfile.CHRTYPE)), "neither a file nor a link"),
    "a pipe": (packed(special("models/pipe", tarfile.FIFOTYPE)), "neither a file nor a link"),
    "many files": (
        packed(*((tarfile.TarInfo(f"models/{number}"), b"") for number in range(4001))),
        "too many files",
    ),
}


@pytest.mark.parametrize(("layer", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_a_layer_that_means_harm_is_an_error_that_says_why(
    tmp_path: Path, blob_store: BlobStore, layer: bytes, reason: str
) -> None:
    first = make_tar({"models/first.gguf": GGUF})

    with pytest.raises(
        ModelPullError, match=f"layer of oci://r/m:1 cannot be unpacked: .*{reason}"
    ):
        take(tmp_path, blob_store, first, layer)
    assert blob_store.contents() == set()


def test_a_device_elsewhere_in_an_image_is_no_concern(
    tmp_path: Path, blob_store: BlobStore
) -> None:
    layer = packed(special("dev/null", tarfile.CHRTYPE), (tarfile.TarInfo("models/m.gguf"), GGUF))

    assert names(take(tmp_path, blob_store, layer)) == ["m.gguf"]


def test_a_bomb_goes_off_at_its_bound(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb"
    bomb.write_bytes(gzip.compress(bytes(8_000_000), 9))
    bound = 1000 + 10 * bomb.stat().st_size

    with LayerStream(bomb, slack=1000, ratio=10) as stream:
        assert len(stream.read(bound)) == bound
        with pytest.raises(LayerError, match="uncompressed content is far too large"):
            stream.read(1)


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, blob_store: BlobStore) -> None:
    with pytest.raises(ModelUnsupported, match="not a valid file name"):
        take(tmp_path, blob_store, make_tar({"models/m\n.gguf": GGUF}))


def test_a_disk_that_takes_no_more_is_told(tmp_path: Path, blob_store: BlobStore) -> None:
    layer = tmp_path / "layer"
    layer.write_bytes(make_tar({"models/m.gguf": GGUF}))

    with pytest.raises(StoreError, match=r"cannot be unpacked in .*/layer: File exists"):
        unpack([layer], blob_store, prefix="models/", directory=layer, name="m")


def test_zstd_is_read_where_there_is_a_decoder(tmp_path: Path, blob_store: BlobStore) -> None:
    assert names(take(tmp_path, blob_store, zstd(make_tar({"models/m.gguf": GGUF})))) == ["m.gguf"]


def test_zstd_without_a_decoder_says_what_helps(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.write_bytes(zstd(b"tar"))

    with pytest.raises(ModelUnsupported, match=r"from 3\.14 on.*install the package backports"):
        LayerStream(layer, slack=0, ratio=1, zstd_modules=("no_such_module",))


def test_damaged_zstd_is_an_error(tmp_path: Path, blob_store: BlobStore) -> None:
    layer = zstd(make_tar({"models/m.gguf": GGUF}))

    with pytest.raises(ModelPullError, match="it is damaged"):
        take(tmp_path, blob_store, layer[:-8])
    with pytest.raises(ModelPullError, match="it is damaged"):
        take(tmp_path, blob_store, layer[:4] + b"\xff" * 90)


PATHS = st.lists(
    st.sampled_from(["models", "m.gguf", "..", ".", "", "etc", ".wh.models", ".wh..wh..opq", "x"]),
    min_size=1,
    max_size=5,
).map("/".join)
MEMBERS = st.tuples(
    PATHS, st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]), PATHS
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(MEMBERS, max_size=6), min_size=1, max_size=3))
def test_no_archive_leaves_anything_outside(
    tmp_path_factory: pytest.TempPathFactory, layers: list[list[tuple[str, bytes, str]]]
) -> None:
    root = tmp_path_factory.mktemp("hostile")
    blob_store = BlobStore(root / "shelf")
    made = [
        packed(
            *(
                (tarfile.TarInfo(name), name.encode())
                if kind == tarfile.REGTYPE
                else special(name, kind, target)
                for name, kind, target in members
            )
        )
        for members in layers
    ]
    before = {path.name for path in root.parent.iterdir()}
    try:
        files = take(root, blob_store, *made)
    except ModelError:
        files = ()

    assert {path.name for path in root.parent.iterdir()} == before
    assert {path.name.partition("-")[0] for path in root.iterdir()} == {"shelf", "scratch", "layer"}
    assert {file.digest.hex for file in files} <= {
        path.name for path in blob_store.directory.iterdir()
    }
