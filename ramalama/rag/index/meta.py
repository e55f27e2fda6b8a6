"""What an index says of itself, in its table ``meta``."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, TypeVar

from ramalama.errors import IndexInvalid
from ramalama.rag.index.schema import LARGEST_DIMENSION, LEAST_ROW, LONGEST_TEXT
from ramalama.rag.values import EmbedderInfo, OcrInfo
from ramalama_values import frozen
from ramalama_values.json import is_array, is_count, is_object, parse_json

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

T = TypeVar("T")

_MOST_ENTRIES = 32
_LONGEST_NAME = 4096  # characters of a model, a prefix or a document
_MOST_CHUNKS = 10_000_000
_MOST_SOURCES = 10_000


@frozen()
class IndexMeta:
    """What the table ``meta`` says.

    Attributes:
        embedder: the model of the vectors; None without vectors.
        documents: their number.
        chunks: their number.
        without_vector: chunks that the embedding model has refused.
        chunk_size: the largest number of tokens of a chunk.
        floor: the cosine that a passage must exceed, see `ramalama.rag.index.probes`.
        sources: what the user has named, so that the index can be updated.
        reader: the version of the code that has read and cut the documents.
        ocr: the model that has read scanned pages; None if they were left out.
    """

    embedder: EmbedderInfo | None
    documents: int
    chunks: int
    without_vector: int
    chunk_size: int
    floor: float
    sources: tuple[str, ...]
    reader: int
    ocr: OcrInfo | None = None

    def makes_the_same(self, other: IndexMeta) -> bool:
        """Return whether a document has the same chunks and vectors in an index of *other*."""
        own = (self.embedder, self.chunk_size, self.reader, self.ocr)
        return own == (other.embedder, other.chunk_size, other.reader, other.ocr)


def read_meta(connection: sqlite3.Connection, *, file_size: int) -> IndexMeta:
    """Read the table ``meta`` of an index of *file_size* bytes.

    Raises:
        IndexInvalid: a value is missing, or makes no sense.
    """
    rows = connection.execute("SELECT name, value FROM meta LIMIT ?", (_MOST_ENTRIES,))
    try:
        meta = _parsed(dict(map(_row, rows)))
        return _checked(meta, max(meta.chunks, meta.documents) * LEAST_ROW <= file_size)
    except (KeyError, TypeError, ValueError):
        msg = "the index is damaged: what it says of itself makes no sense"
        raise IndexInvalid(msg, hint="make it again with `ramalama rag`") from None


def meta_rows(meta: IndexMeta) -> Mapping[str, str]:
    """Return the rows of the table ``meta``."""
    rows = {
        "chunk_size": str(meta.chunk_size),
        "chunks": str(meta.chunks),
        "documents": str(meta.documents),
        "reader": str(meta.reader),
        "sources": json.dumps(meta.sources, ensure_ascii=False),
        "without_vector": str(meta.without_vector),
    }
    if meta.embedder is not None:
        rows["embedder"] = _embedder_text(meta.embedder)
        rows["floor"] = repr(round(meta.floor, 6))
    if meta.ocr is not None:
        ocr = {"model": meta.ocr.model, "digest": meta.ocr.digest}
        rows["ocr"] = json.dumps(ocr, ensure_ascii=False)
    return rows


def _row(row: tuple[object, object]) -> tuple[object, object]:
    """Return a row; raise ValueError if the value is so long that it need not be kept."""
    return _checked(row, all(len(str(each)) <= LONGEST_TEXT for each in row))


def _embedder_text(embedder: EmbedderInfo) -> str:
    fields = {name: getattr(embedder, name) for name in _EMBEDDER}
    return json.dumps({**fields, "dimension": embedder.dimension}, ensure_ascii=False)


_EMBEDDER = ("model", "digest", "pooling", "document_prefix", "query_prefix")


def _parsed(rows: Mapping[object, object]) -> IndexMeta:
    """Return the values; raise KeyError, TypeError or ValueError if one makes no sense."""

    def count(name: str) -> int:
        number = int(str(rows[name]))
        return _checked(number, 0 <= number <= _MOST_CHUNKS)

    embedder = _embedder(rows["embedder"]) if "embedder" in rows else None
    floor = float(str(rows["floor"])) if embedder else 0.0
    sources = parse_json(str(rows["sources"]), limit=LONGEST_TEXT, strict=True)
    if not is_array(sources) or len(sources) > _MOST_SOURCES:
        raise ValueError
    return IndexMeta(
        embedder=embedder,
        documents=count("documents"),
        chunks=count("chunks"),
        without_vector=count("without_vector"),
        chunk_size=count("chunk_size"),
        floor=_checked(floor, math.isfinite(floor) and -1 <= floor <= 1),
        sources=tuple(_name(source) for source in sources),
        reader=count("reader"),
        ocr=_ocr(rows["ocr"]) if "ocr" in rows else None,
    )


def _embedder(text: object) -> EmbedderInfo:
    value = parse_json(str(text), limit=LONGEST_TEXT, strict=True)
    if not is_object(value) or not is_count(value["dimension"]):
        raise ValueError
    dimension = value["dimension"]
    return EmbedderInfo(
        dimension=_checked(dimension, 0 < dimension <= LARGEST_DIMENSION),
        **{name: _name(value[name]) for name in _EMBEDDER},
    )


def _ocr(text: object) -> OcrInfo:
    value = parse_json(str(text), limit=LONGEST_TEXT, strict=True)
    if not is_object(value):
        raise ValueError
    return OcrInfo(model=_name(value["model"]), digest=_name(value["digest"]))


def _name(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_NAME:
        raise ValueError
    return value


def _checked(value: T, is_valid: bool) -> T:  # noqa: FBT001 (a condition)
    if not is_valid:
        raise ValueError
    return value
