"""Resolve what `--rag` names: an index, documents that are indexed first, or an image.

What exists on this machine is a path, and any other name is an image. A name that begins as a path
does, such as ``./docs``, is never an image.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import DocumentNotFound, EngineFailure
from ramalama.events import Notice
from ramalama.rag.knowledge import IndexKnowledge
from ramalama.rag.late_embedder import LateEmbedder
from ramalama_values import frozen

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from contextlib import AbstractContextManager, ExitStack

    from ramalama.events import EventHook
    from ramalama.rag.index.index import Index
    from ramalama.rag.values import Embedder, EmbedderInfo

_PATH = re.compile(r"(?:\.{0,2}|~)/|(?:\.{1,2}|~|-|.*/)\Z", re.DOTALL)
_WITHOUT_MODEL = """\
the index has no vectors, so only words are searched, not meanings; \
`ramalama rag --embedding-model MODEL` makes an index with vectors"""
_HINT_STDIN = "make an index of standard input first: `ramalama rag - notes.db`"


@frozen()
class SourceAccess:
    """What sources need of the rest of the program.

    Attributes:
        home: the user's home directory, for names that begin with ``~/``.
        start_embedder: starts or reuses the model that has made the vectors of an index; the event
            cancels the start.
        index_documents: makes or updates the index of a file or directory of documents, as the
            user has named it, and returns the file of the index.
        read_image: reads the index in an OCI image, and returns its file.
        on_event: is told what happens, and of notices.
        wants_meaning: whether a notice says that an index can be searched by words only.
    """

    home: Path
    start_embedder: Callable[[EmbedderInfo, threading.Event], AbstractContextManager[Embedder]]
    index_documents: Callable[[str, Path], Path]
    read_image: Callable[[str], Path]
    on_event: EventHook
    wants_meaning: bool = True


def open_knowledge(named: str, access: SourceAccess, undo: ExitStack) -> IndexKnowledge:
    """Open what *named* stands for; what closes it is added to *undo*.

    Documents are indexed before this returns. The embedding model of an index starts in a thread,
    beside whatever the caller starts then, and the first question waits for it.

    Raises:
        RagError: there is no such file, or it is no index; an index could not be made.
        EngineFailure: the engine has failed while it read an image.
        OSError: a file cannot be read.
    """
    from ramalama.rag.index.index import Index  # noqa: PLC0415 (sqlite3 is slow to import)

    index = Index.open(find_source(named, access))
    undo.callback(index.close)

    def notify(message: str) -> None:
        access.on_event(Notice(message))

    info = index.info.embedder
    if info is None:
        if access.wants_meaning:
            notify(_WITHOUT_MODEL)
        return IndexKnowledge(index, notify=notify)
    late = LateEmbedder(lambda cancel: _starting(index, info, access, cancel))
    undo.callback(late.close)
    return IndexKnowledge(index, late.get, notify=notify)


def find_source(named: str, access: SourceAccess) -> Path:
    """Return the file of the index that *named* stands for; see `open_knowledge`."""
    path = access.home / named[2:] if named.startswith("~/") else Path(named)
    if path.exists():
        from ramalama.rag.index.guard import (  # noqa: PLC0415 (see `open_knowledge`)
            find_index,
            is_index,
            is_of_upstream,
        )
        from ramalama.rag.index.schema import FILE_NAME  # noqa: PLC0415 (likewise)

        if is_index(path) or is_of_upstream(path) or (path / FILE_NAME).exists():
            return find_index(path)
        return access.index_documents(str(path) if named.startswith("~/") else named, path)
    if _PATH.match(named):
        msg = f"there is no file or directory {named}"
        raise DocumentNotFound(msg, hint=_HINT_STDIN if named == "-" else None)
    try:
        return access.read_image(named)
    except (EngineFailure, DocumentNotFound) as exc:
        msg = f"{named} is no file or directory here, and no image with an index: {exc.message}"
        raise DocumentNotFound(msg, hint=f"./{named} is always a path") from exc


def _starting(
    index: Index, info: EmbedderInfo, access: SourceAccess, cancel: threading.Event
) -> AbstractContextManager[Embedder]:
    index.preload()
    return access.start_embedder(info, cancel)
