"""Read chunks with their neighbours, and join them into passages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.rag.index.contents import read_chunk, read_text
from ramalama.rag.values import Passage
from ramalama_values import frozen

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from ramalama.rag.values import Chunk

_COLUMNS = "chunk.id, document.uri, document.title, page, overlap, headings, text"


@frozen(kw_only=False)
class _StoredChunk:
    uri: str
    title: str
    chunk: Chunk


def passages(
    connection: sqlite3.Connection,
    found: Sequence[tuple[int, float]],
    *,
    limit: int,
    neighbours: int,
) -> list[Passage]:
    """Return the first *limit* passages of the chunks that were *found*, with their neighbours."""
    taken: set[int] = set()
    result: list[Passage] = []
    for chunk, score in found:
        if len(result) == limit:
            break
        if chunk in taken:
            continue
        stored = _around(connection, chunk, neighbours)
        span = _span(stored, chunk, taken)
        taken.update(span)
        if chunk in stored:
            result.append(_passage(stored, chunk, span, score))
    return result


def _around(
    connection: sqlite3.Connection, chunk: int, neighbours: int
) -> Mapping[int, _StoredChunk]:
    """Return *chunk* and its neighbours in the same document, by their IDs."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM chunk JOIN document ON document.id = document"  # noqa: S608 (a constant)
        " WHERE chunk.id BETWEEN ? AND ? ORDER BY chunk.id",
        (chunk - neighbours, chunk + neighbours),
    )
    stored = {row[0]: _stored(*row[1:]) for row in rows}
    own = stored.get(chunk)
    return {number: each for number, each in stored.items() if own and each.uri == own.uri}


def _stored(uri: object, title: object, *chunk: object) -> _StoredChunk:
    return _StoredChunk(read_text(uri), read_text(title), read_chunk(*chunk))


def _span(stored: Mapping[int, _StoredChunk], chunk: int, taken: set[int]) -> Sequence[int]:
    """Return the chunks around *chunk* that no passage has yet, without a gap."""
    first = last = chunk
    while first - 1 in stored and first - 1 not in taken:
        first -= 1
    while last + 1 in stored and last + 1 not in taken:
        last += 1
    return range(first, last + 1)


def _passage(
    stored: Mapping[int, _StoredChunk], chunk: int, span: Sequence[int], score: float
) -> Passage:
    own = stored[chunk]
    first, *rest = (stored[number].chunk for number in span)
    parts = [first.text, *(each.text[each.overlap :].lstrip("\n") for each in rest)]
    return Passage(
        uri=own.uri,
        title=own.title,
        text="\n".join(filter(None, parts)),
        headings=own.chunk.headings,
        page=own.chunk.page,
        score=score,
    )
