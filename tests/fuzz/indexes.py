"""An index of documents that a stranger has made."""

from __future__ import annotations

import functools
from array import array
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ramalama.errors import RagError
from ramalama.rag.index.archive import Archive
from ramalama.rag.index.index import Index
from ramalama.rag.index.schema import APPLICATION_ID, FORMAT, LONGEST_TEXT
from tests.fuzz.targets import Target
from tests.unit.ramalama.rag.index.made_index import write
from tests.unit.ramalama.rag.word_embedder import DIMENSION, WordEmbedder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VECTOR = array("f", [DIMENSION**-0.5] * DIMENSION)
_RECORD = 6  # bytes in an input: where, and what


def damaged_index(data: bytes) -> None:
    """Search an index in which some bytes are others; the input says which."""
    content = bytearray(_whole())
    for start in range(0, len(data) - _RECORD + 1, _RECORD):
        where = int.from_bytes(data[start : start + 2]) * 8 % len(content)
        content[where : where + 4] = data[start + 2 : start + _RECORD]
    content[60:64], content[68:72] = FORMAT.to_bytes(4), APPLICATION_ID.to_bytes(4)
    with TemporaryDirectory() as made:
        path = Path(made) / "a.db"
        path.write_bytes(content[: _cut(data, len(content))])
        with suppress(RagError):
            _use(path)
        assert [each.name for each in path.parent.iterdir()] == ["a.db"]


def _use(path: Path) -> None:
    with Index.open(path) as index:
        info = index.info
        assert min(info.documents, info.chunks, info.without_vector, info.size) >= 0
        for vector in (None, _VECTOR):
            for passage in index.search("cats hunt mice; sailors, archive", vector, neighbours=2):
                assert 0 < passage.score <= 1
                assert len(passage.text) <= 6 * LONGEST_TEXT
                assert isinstance(passage.label, str)
    with Archive(path) as archive:
        archive.probes()
        for document in archive.documents():
            archive.chunks(document.uri)


def _cut(data: bytes, size: int) -> int:
    """Return how much of the file is there: all of it, in most cases."""
    return size if len(data) % _RECORD else size - size * len(data) % 7


@functools.cache
def _whole() -> bytes:
    with TemporaryDirectory() as made:
        return write(Path(made) / "a.db", embedder=WordEmbedder()).read_bytes()


def _seeds() -> Sequence[bytes]:
    return (b"", b"\x00\x00\xff\xff\xff\xff\x00", bytes(_RECORD * 4 + 1), b"\x02\x10abcd" * 3)


TARGETS: Mapping[str, Target] = {
    "index": Target(run=damaged_index, seeds=_seeds, short=60),
}
