"""Make an index of documents: only what is new is read, cut and embedded.

What was done is in a work file beside the index, until the new index takes the place of the old one
by a rename. Programs that search the old one meanwhile go on with it. A lock keeps two builds of
one index apart.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import IndexInvalid, IndexNotFound, IndexUnwritable, NothingToIndex
from ramalama.events import IndexPlanned, IndexWriting, Notice, ignore
from ramalama.rag.documents.limits import Unreadable
from ramalama.rag.documents.read import VERSION, read_document
from ramalama.rag.index.archive import Archive
from ramalama.rag.index.guard import is_index
from ramalama.rag.index.probes import PROBES
from ramalama.rag.index.schema import FILE_NAME
from ramalama.rag.index.vectors import pack
from ramalama.rag.index.workfile import WorkFile, remove_work
from ramalama.rag.index.writer import IndexSettings, remove_leftovers, write_index
from ramalama.rag.ingest import Ingest
from ramalama.system.locks import locked
from ramalama_values import frozen
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ramalama.events import IndexHook
    from ramalama.rag.documents.find import FoundDocuments, Loaded, Source
    from ramalama.rag.index.contents import StoredChunk, StoredDocument
    from ramalama.rag.index.meta import IndexMeta
    from ramalama.rag.ocr.pages import PageReader
    from ramalama.rag.values import Document, Embedder, PictureReader

CHUNK_SIZE = 256  # tokens


@frozen()
class BuildRequest:
    """What is asked of a build.

    Attributes:
        found: the documents.
        names: what the user has named, so that the index can be updated.
        destination: the file of the index; it may exist.
        embedder: makes the vectors; without one, words alone are searched.
        chunk_size: the largest number of tokens of a chunk.
        pictures: reads scanned pages and pictures; without it, they are left out.
    """

    found: FoundDocuments
    names: tuple[str, ...]
    destination: Path
    embedder: Embedder | None = None
    chunk_size: int = CHUNK_SIZE
    pictures: PictureReader | None = None

    @property
    def settings(self) -> IndexSettings:
        """With what the chunks are made."""
        limit = self.chunk_size if self.embedder is None else self.embedder.limit
        return IndexSettings(
            embedder=None if self.embedder is None else self.embedder.info,
            chunk_size=min(self.chunk_size, limit),
            sources=self.names,
            reader=VERSION,
            ocr=None if self.pictures is None else self.pictures.info,
        )


@frozen()
class BuildReport:
    """What a build has done.

    Attributes:
        meta: what the index says of itself.
        size: of the index, in bytes.
        new: documents that were not in the index before.
        changed: documents that were, with another content.
        removed: documents that are no longer in it.
        embedded: chunks that were embedded, and not taken from the index before.
        skipped: URI and reason of what is not in the index.
        kept: URI and reason of documents that cannot be read now; the index has their last state.
        scanned: the number of pages without a text layer that were not read, by the URI of the
            document.
        unread: scanned pages that the model could not read, and the reason.
    """

    meta: IndexMeta
    size: int
    new: int
    changed: int
    removed: int
    embedded: int
    skipped: tuple[tuple[str, str], ...]
    kept: tuple[tuple[str, str], ...]
    scanned: Mapping[str, int]
    unread: tuple[tuple[str, str], ...] = ()


def index_file(destination: str) -> Path:
    """Return the file of an index that the user has named, which may be a directory."""
    path = Path(destination)
    is_directory = destination.endswith(os.sep) or path.is_dir()
    return path / FILE_NAME if is_directory else path


def check_destination(path: Path) -> None:
    """Check that no other file would be overwritten.

    Raises:
        IndexInvalid: *path* exists and is not an index.
    """
    if path.exists() and not is_index(path):
        msg = f"{path} exists and is not an index, so it is not overwritten"
        raise IndexInvalid(msg, hint="name another destination")


def build_index(request: BuildRequest, *, on_event: IndexHook = ignore) -> BuildReport:
    """Make the index, or make it again with what has changed.

    Raises:
        NothingToIndex: no document could be read; an index that exists stays as it is.
        IndexInvalid: the destination exists and is not an index.
        EmbeddingFailed, ReadingFailed: a model does not answer; the next build goes on from here.
        IndexUnwritable, OSError: the index cannot be written.
    """
    path = request.destination
    check_destination(path)

    def announce() -> None:
        on_event(Notice(f"waiting for another command that makes {path}"))

    lock, work_path = (path.with_name(f".{path.name}.{end}") for end in ("lock", "work"))
    try:
        with locked(lock, on_wait=announce), ExitStack() as stack:
            stack.callback(lambda: lock.unlink(missing_ok=True))
            remove_leftovers(path)
            previous = _previous(request, on_event)
            if previous is not None:
                stack.enter_context(previous)
            work = WorkFile.open(work_path, repr(_comparable(request.settings)))
            try:
                with closing(work):
                    report = _Build(request, previous, work, on_event).run()
            except NothingToIndex:
                remove_work(work_path)
                raise
            remove_work(work_path)
            return report
    except sqlite3.Error as exc:
        msg = f"{path}: the index cannot be written ({exc})"
        raise IndexUnwritable(msg) from exc


def _comparable(settings: IndexSettings) -> tuple[object, ...]:
    return settings.embedder, settings.chunk_size, settings.reader, settings.ocr


def _previous(request: BuildRequest, on_event: IndexHook) -> Archive | None:
    """Return the index as it is; None if there is none, or all of it would be made otherwise."""
    path = request.destination
    try:
        archive = Archive(path)
    except IndexNotFound:
        return None
    except IndexInvalid as exc:
        on_event(Notice(f"{exc.message}: all documents are read again"))
        return None
    settings = request.settings
    own, meta = (settings.embedder, settings.chunk_size, settings.reader), archive.meta
    is_same = own == (meta.embedder, meta.chunk_size, meta.reader)
    if is_same and meta.ocr in (None, settings.ocr):  # with None, scanned pages were left out
        return archive
    archive.close()
    on_event(Notice("the settings have changed: all documents are read again"))
    return None


class _Build:
    def __init__(
        self, request: BuildRequest, previous: Archive | None, work: WorkFile, on_event: IndexHook
    ) -> None:
        self._request = request
        self._settings = request.settings
        self._previous = previous
        self._work = work
        self._on_event = on_event
        self._old: Mapping[str, StoredDocument] = {}
        if previous is not None:
            self._old = {each.uri: each for each in previous.documents()}
        self._done = dict(work.documents())
        self._pages: PageReader | None = None
        self._stays: set[str] = set()  # taken from the previous index
        self._skipped = dict(request.found.skipped)
        self._kept: dict[str, str] = {}
        self._ingest = Ingest(
            work, request.embedder, self._settings.chunk_size, self._earlier, on_event
        )
        if request.pictures is not None:
            self._pages = self._page_reader(request.pictures)

    def _page_reader(self, pictures: PictureReader) -> PageReader:
        from ramalama.rag.ocr.pages import PageReader  # noqa: PLC0415 (few builds read pictures)

        # Pages that were not read are tried again.
        for uri in list(self._done):
            if self._work.document(uri).pages_without_text:
                del self._done[uri]
        path = self._request.destination
        return PageReader(pictures, path.with_name(f".{path.name}.pages"), self._ingest.tell_page)

    def run(self) -> BuildReport:
        with self._pages or nullcontext():
            return self._run()

    def _run(self) -> BuildReport:
        sources = self._request.found.sources
        self._on_event(IndexPlanned(len(sources)))
        made: set[str] = set()
        for number, source in enumerate(sources):
            self._ingest.tell(source.uri, number, len(sources))
            if self._take(source):
                made.add(source.uri)
        self._ingest.finish()
        if not made and not self._stays:
            raise self._nothing()
        previous = self._previous
        if (
            previous is not None
            and not made
            and self._stays == set(self._old)
            and previous.meta.sources == self._request.names
            and previous.meta.ocr == self._settings.ocr
        ):
            return self._report(previous.meta, made)
        self._on_event(IndexWriting(len(made | self._stays)))
        meta = write_index(
            self._request.destination, self._documents(made), self._settings, self._probes()
        )
        return self._report(meta, made)

    def _take(self, source: Source) -> bool:
        """Read a document; return whether it is in the work file now."""
        try:
            loaded = source.load()
            digest = loaded.digest
            if self._done.get(source.uri) == digest:
                return True
            document = self._read(loaded, digest)
            if document is None:
                self._stays.add(source.uri)
                return False
            self._ingest.add(document)
        except Unreadable as exc:
            if exc.may_pass and source.uri in self._old:
                self._stays.add(source.uri)
                self._kept[source.uri] = exc.reason
            else:
                self._skipped[source.uri] = exc.reason
            return False
        return True

    def _read(self, loaded: Loaded, digest: str) -> Document | None:
        """Return the document; None if it is as it is in the previous index."""
        old, pages = self._old.get(loaded.uri), self._pages
        is_same = old is not None and old.digest == digest
        if old is not None and is_same and not (pages and old.pages_without_text):
            return None
        read_scan = None if pages is None else partial(pages.read, loaded.uri)
        document = read_document(loaded, read_scan=read_scan)
        if old is not None and is_same and document.pages_without_text == old.pages_without_text:
            return None
        return document

    def _earlier(self, uri: str) -> tuple[str, Sequence[StoredChunk]]:
        """Return title and chunks of a document in the previous index."""
        if self._previous is None or uri not in self._old:
            return "", ()
        return self._old[uri].title, self._previous.chunks(uri)

    def _documents(self, made: set[str]) -> Iterator[tuple[StoredDocument, Iterator[StoredChunk]]]:
        for uri in sorted(made | self._stays):
            if uri in made:
                yield self._work.document(uri), self._work.chunks(uri)
            elif self._previous is not None:
                yield self._old[uri], iter(self._previous.chunks(uri))

    def _probes(self) -> Sequence[bytes]:
        embedder = self._request.embedder
        if embedder is None:
            return ()
        known = self._previous.probes() if self._previous is not None else ()
        if len(known) == len(PROBES):
            return known
        return [pack(embedder.embed_question(probe)) for probe in PROBES]

    def _report(self, meta: IndexMeta, made: set[str]) -> BuildReport:
        scanned = {uri: len(self._old[uri].pages_without_text) for uri in self._stays}
        scanned |= {uri: len(self._work.document(uri).pages_without_text) for uri in made}
        return BuildReport(
            meta=meta,
            size=self._request.destination.stat().st_size,
            new=len(made - self._old.keys()),
            changed=len(made & self._old.keys()),
            removed=len(self._old.keys() - made - self._stays),
            embedded=self._ingest.embedded,
            skipped=tuple(sorted(self._skipped.items())),
            kept=tuple(sorted(self._kept.items())),
            scanned={uri: pages for uri, pages in sorted(scanned.items()) if pages},
            unread=tuple(self._pages.unread.items()) if self._pages else (),
        )

    def _nothing(self) -> NothingToIndex:
        for uri, reason in sorted(self._skipped.items()):
            more = f", nor can {len(self._skipped) - 1} others" if len(self._skipped) > 1 else ""
            return NothingToIndex(f"{uri} cannot be indexed: it {reason}{more}")
        names = one_line(", ".join(self._request.names))
        hint = "name files, directories or URLs; hidden and ignored files do not count"
        return NothingToIndex(f"there are no documents in {names}", hint=hint)
