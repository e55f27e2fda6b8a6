"""Make the index of what a user names, or update it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ramalama.errors import DocumentNotFound
from ramalama.events import ignore
from ramalama.rag.build import CHUNK_SIZE, BuildRequest, build_index
from ramalama.rag.documents.find import find_documents
from ramalama.rag.documents.web import opened_web
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ramalama.events import IndexHook
    from ramalama.rag.build import BuildReport
    from ramalama.rag.index.meta import IndexMeta
    from ramalama.rag.values import Embedder, PictureReader


def index_documents(  # noqa: PLR0913 (all that a build is asked for)
    names: Sequence[str],
    destination: Path,
    *,
    embedder: Embedder | None = None,
    chunk_size: int = CHUNK_SIZE,
    pictures: PictureReader | None = None,
    on_event: IndexHook = ignore,
) -> BuildReport:
    """Make or update the index at *destination*: files, directories, URLs, "-" for standard input.

    Documents that are in the index and that *names* do not stand for any more are removed from it.
    Without an *embedder*, the index can be searched by words only. *chunk_size* is the largest
    number of tokens of a chunk; the embedder's own limit may be smaller. *pictures* reads scanned
    pages and pictures, which are left out without it.

    Raises:
        DocumentNotFound: a name stands for nothing.
        OptionRefused: a URL is invalid, or a directory has too many files.
        RagError, OSError: as `build_index` does.
    """
    wanted = _Wanted(names=tuple(names), chunk_size=chunk_size, has_stdin=True, pictures=pictures)
    return _build(wanted, destination, embedder, on_event)


def update_index(
    destination: Path,
    meta: IndexMeta,
    *,
    embedder: Embedder | None = None,
    pictures: PictureReader | None = None,
    on_event: IndexHook = ignore,
) -> BuildReport:
    """Update the index at *destination*, which says *meta* of itself, from the same names.

    Raises:
        DocumentNotFound: a name stands for nothing, maybe because it is relative.
        RagError, OSError: as `build_index` does.
    """
    wanted = _Wanted(
        names=meta.sources, chunk_size=meta.chunk_size, has_stdin=False, pictures=pictures
    )
    try:
        return _build(wanted, destination, embedder, on_event)
    except DocumentNotFound as exc:
        hint = "run it in the directory in which the index was made, or name the documents again"
        raise DocumentNotFound(exc.message, hint=hint) from None


@frozen()
class _Wanted:
    names: tuple[str, ...]
    chunk_size: int
    has_stdin: bool
    pictures: PictureReader | None


def _build(
    wanted: _Wanted, destination: Path, embedder: Embedder | None, on_event: IndexHook
) -> BuildReport:
    with opened_web() as web:
        found = find_documents(
            wanted.names,
            web.open,
            leave_out={os.path.realpath(destination)},
            has_stdin=wanted.has_stdin,
        )
        request = BuildRequest(
            found=found,
            names=wanted.names,
            destination=destination,
            embedder=embedder,
            chunk_size=wanted.chunk_size,
            pictures=wanted.pictures,
        )
        return build_index(request, on_event=on_event)
