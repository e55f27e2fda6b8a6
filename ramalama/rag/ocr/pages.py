"""Read scanned pages one by one: each picture once, each failure by itself, within bounds."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Self

from ramalama.errors import ReadingFailed
from ramalama.rag.documents.formats.plain import clean
from ramalama.rag.documents.limits import Unreadable
from ramalama.rag.ocr.page_file import PageFile
from ramalama_chat.errors import ChatError
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ramalama.rag.values import PictureReader, Scan

READING = 1
"""Is raised whenever a picture may get another text than before from the same model."""

MOST_PICTURES = 5000
"""How many pictures one build sends to the model; the next one goes on with others."""

_MOST_LOST = 3  # pages in a row for which the server has not answered
_DECODING_TIME = 300.0  # seconds for the pictures of one document


class PageReader:
    """Reads scans with *reader*, and keeps their texts at *path*; a context manager.

    *on_page* is told, before a page is sent to the model, its number among the scans of its
    document and the number of these.

    Attributes:
        unread: the reason for each page that could not be read, by URI and number.
    """

    def __init__(
        self,
        reader: PictureReader,
        path: Path,
        on_page: Callable[[int, int], None],
        *,
        most: int = MOST_PICTURES,
    ) -> None:
        self.unread: dict[str, str] = {}
        self._reader = reader
        self._path = path
        self._on_page = on_page
        self._left = self._most = most
        self._lost = 0
        self._decoding: dict[str, float] = {}
        self._file: PageFile | None = None
        info = reader.info
        self._model = f"{READING} {info.digest or info.model}"

    def read(self, uri: str, scan: Scan) -> str:
        """Return the text of a scan of the document *uri*.

        Raises:
            Unreadable: it cannot be read; the rest of the document may be readable.
            ReadingFailed: the model's server does not answer any more.
        """
        try:
            texts = [self._text(picture, scan) for picture in self._pictures(uri, scan)]
        except Unreadable as exc:
            if scan.page is not None:
                self.unread[f"{uri} p. {scan.page}"] = exc.reason
            raise
        return "\n\n".join(filter(None, texts))

    def _pictures(self, uri: str, scan: Scan) -> Iterator[bytes]:
        """Yield the pictures of a scan, which are decoded now, within the time for the document."""
        pictures = iter(scan.pictures())
        while True:
            if self._decoding.get(uri, 0.0) >= _DECODING_TIME:
                msg = f"has pictures that take longer than {_DECODING_TIME:.0f} s to decode"
                raise Unreadable(msg)
            began = time.monotonic()
            picture = next(pictures, None)
            self._decoding[uri] = self._decoding.get(uri, 0.0) + time.monotonic() - began
            if picture is None:
                return
            yield picture

    def _text(self, picture: bytes, scan: Scan) -> str:
        digest = hashlib.sha256(picture).digest()
        known = self._opened().find(digest, self._model)
        if known is not None:
            return known
        if not self._left:
            msg = f"is more than the {self._most} pictures that are read at a time"
            raise Unreadable(msg, may_pass=True)
        self._left -= 1
        self._on_page(scan.number, scan.count)
        text = clean(self._ask(picture).encode(errors="replace").decode()).strip()
        self._opened().add(digest, self._model, text)
        return text

    def _ask(self, picture: bytes) -> str:
        try:
            text = self._reader.read(picture)
        except ChatError as exc:
            self._lost += 1
            reason = one_line(str(exc))
            if self._lost >= _MOST_LOST:
                msg = f"{self._reader.info.model} does not answer any more: {reason}"
                hint = "what was read is kept: the next build goes on from there"
                raise ReadingFailed(msg, hint=hint) from exc
            msg = f"was not read: {reason}"
            raise Unreadable(msg, may_pass=True) from exc
        self._lost = 0
        return text

    def _opened(self) -> PageFile:
        if self._file is None:
            self._file = PageFile.open(self._path)
        return self._file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()
