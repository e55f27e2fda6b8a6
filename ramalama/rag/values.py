"""What the parts of this room hand to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ramalama_values import frozen

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterable, Sequence


@frozen()
class EmbedderInfo:
    """What makes two vectors comparable; an index bears that of its vectors.

    Attributes:
        model: the reference of the model, or its name on a server that runs elsewhere.
        digest: of the model's file, "sha256:…"; "" if it is not known.
        dimension: numbers in a vector.
        pooling: how the vectors of tokens become one, in llama.cpp's words; "" is the model's own.
        document_prefix: what stands before each text of a document.
        query_prefix: what stands before a question.
    """

    model: str
    digest: str = ""
    dimension: int
    pooling: str = ""
    document_prefix: str = ""
    query_prefix: str = ""


class Embedder(Protocol):
    """Turns texts into vectors of length 1, in the model's own words and limits."""

    @property
    def info(self) -> EmbedderInfo:
        """Which model it is."""
        ...

    @property
    def limit(self) -> int:
        """The largest number of tokens of a text, without the prefix."""
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text.

        Raises:
            EmbeddingFailed: the server does not answer, or not as it should.
        """
        ...

    def embed(self, texts: Sequence[str]) -> list[array[float] | None]:
        """Return the vector of each text of a document; None for one that the server refuses.

        Raises:
            EmbeddingFailed: the server does not answer, or not as it should.
        """
        ...

    def embed_question(self, question: str) -> array[float]:
        """Return the vector of a question; what is too long is cut.

        Raises:
            EmbeddingFailed: the server does not answer, or not as it should.
        """
        ...


@frozen()
class OcrInfo:
    """What makes two readings of a picture the same; an index bears that of its scanned pages.

    Attributes:
        model: the reference of the model.
        digest: of the model's files, "sha256:… sha256:…"; "" if they are not known.
    """

    model: str
    digest: str = ""


class PictureReader(Protocol):
    """Reads the text in pictures."""

    @property
    def info(self) -> OcrInfo:
        """Which model it is."""
        ...

    def read(self, picture: bytes) -> str:
        """Return the text in a PNG or JPEG file.

        Raises:
            Unreadable: this picture cannot be read.
            ChatError: the server does not answer.
        """
        ...


@frozen()
class Scan:
    """A page without a text layer, or a document that is a picture.

    Attributes:
        page: its page, from 1; None if the document is a picture.
        number: which of the scans of its document it is, from 1.
        count: how many its document has.
        pictures: returns its pictures, PNG or JPEG, in their order; raises Unreadable.
    """

    page: int | None = None
    number: int = 1
    count: int = 1
    pictures: Callable[[], Iterable[bytes]]


@frozen()
class Section:
    """A part of a document under one heading, in reading order.

    Attributes:
        text: its text, without the heading; tables have a line for each row, with tabs.
        headings: the headings above it, outermost first.
        page: its page, from 1; None if the format has no pages.
    """

    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None


@frozen()
class Document:
    """A document that was read.

    Attributes:
        uri: its path as the user named it, or its URL; names it in citations and in the index.
        title: its own title, else the last part of the uri.
        digest: the SHA-256 of its bytes, in hex.
        sections: its text.
        pages_without_text: pages that were scanned, from 1; they have no text layer.
    """

    uri: str
    title: str
    digest: str
    sections: tuple[Section, ...]
    pages_without_text: tuple[int, ...] = ()


@frozen()
class Chunk:
    """A piece of a document that is found and shown as a whole.

    Attributes:
        text: what is shown.
        headings: as in `Section`; they are embedded and searched with the text.
        page: the page on which it begins.
        overlap: how many characters at its beginning repeat the end of the chunk before it, with
            the headings that stand above that.
    """

    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    overlap: int = 0


@frozen()
class Passage:
    """A chunk that was found.

    Attributes:
        uri: of its document.
        title: of its document.
        text: its text, with that of its neighbours where these were added.
        headings: as in `Section`.
        page: as in `Section`.
        score: how well it fits, in (0, 1]; comparable within one search only.
    """

    uri: str
    title: str
    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    score: float

    @property
    def label(self) -> str:
        """How the passage is cited: ``guide.pdf p. 12 › Networking``."""
        page = "" if self.page is None else f" p. {self.page}"
        return " › ".join((self.title + page, *self.headings[-1:]))


@frozen()
class IndexInfo:
    """What an index says of itself.

    Attributes:
        embedder: the model of its vectors; None if it has no vectors.
        documents: their number.
        chunks: their number.
        without_vector: chunks without a vector, if it has vectors.
        size: of the file, in bytes.
    """

    embedder: EmbedderInfo | None
    documents: int
    chunks: int
    without_vector: int
    size: int


class SearchableIndex(Protocol):
    """An index that is open for reading; threads may share it."""

    @property
    def info(self) -> IndexInfo:
        """What it says of itself."""
        ...

    def search(
        self,
        question: str,
        vector: array[float] | None = None,
        *,
        limit: int = 8,
        neighbours: int = 1,
    ) -> list[Passage]:
        """Return the passages that fit *question* best, the best one first.

        Words and, if there is a *vector* of the question, meaning are searched, and both orders
        are fused. What fits too badly is left out, so the answer may be empty. A passage has the
        text of up to *neighbours* chunks before and after the chunk that was found; no chunk is in
        two passages.

        Raises:
            IndexInvalid: the file is damaged, or *vector* is that of another model.
        """
        ...
