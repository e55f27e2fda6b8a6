"""Cut a document into chunks, along its structure.

A section is cut into blocks: paragraphs, lists, tables, fenced code. Blocks are packed into chunks
of at most so many tokens. A block stays whole unless it is larger than a chunk; then it is cut at
the ends of lines, else of sentences, else of words. Where a section goes on in the next chunk, the
last blocks of the one before, or the end of its text, are repeated.

Small sections under the same heading share a chunk; their own headings stand in its text.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from ramalama.rag.values import Chunk
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ramalama.rag.values import Document, Section

    Count = Callable[[Sequence[str]], list[int]]

_OVERLAP = 0.15  # of a chunk
_LEAST = 0.25  # of a chunk that is left to its text, however many tokens its headings have
_LONGEST_TITLE = 40  # characters of a title that are embedded
_LONGEST_HEADING = 80
_SMALLEST_BLOCK = 120  # characters; smaller ones are joined
_SHORTEST_RUN = 60  # characters of lines that are not cut further
_SMALL = 0.5  # a chunk below this size takes the next section, too
_TEXTS_AT_ONCE = 512
_CHARACTERS_AT_ONCE = 1_000_000
_BYTES_PER_TOKEN = 4
_MOST_HALVINGS = 12
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_PART_END = re.compile("(?<=[.!?…])\\s+|\n\\s*|(?<=[\u3002\uff01\uff1f])")
_SENTENCE_END = re.compile("(?<=[.!?…])\\s+|(?<=[\u3002\uff01\uff1f])")  # also East Asian ones


def estimate(texts: Sequence[str]) -> list[int]:
    """Return about the number of tokens of each text, where no tokenizer is at hand."""
    return [-(-len(text.encode(errors="replace")) // _BYTES_PER_TOKEN) for text in texts]


def embedded_text(title: str, chunk: Chunk) -> str:
    """Return what is embedded for *chunk*: the title, its headings and its text."""
    return f"{_path(title, chunk.headings)}\n{chunk.text}"


def cut(document: Document, *, limit: int, count: Count = estimate) -> list[Chunk]:
    """Return the chunks of *document*, each of at most *limit* tokens with title and headings.

    *count* returns the number of tokens of each text; it is called a few times, with many texts.

    Raises:
        Whatever *count* raises.
    """
    counted = _Counted(count)
    counted.learn([_path(document.title, section.headings) for section in document.sections])
    packer = _Packer(document.title, limit, counted)
    pieces = _pieces(document, limit, counted, packer.room)
    return _fitting(list(packer.pack(pieces)), document.title, limit, counted)


@frozen(kw_only=False)
class _Piece:
    """A block, or a part of one: what is not cut any more.

    Attributes:
        glue: what stands between it and the piece before it in the same section.
    """

    section: Section
    text: str
    glue: str
    tokens: int


class _Counted:
    """Numbers of tokens, which are asked for in large batches and kept."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._known: dict[str, int] = {"": 0}

    def learn(self, texts: Sequence[str]) -> None:
        batch, size = list[str](), 0
        for text in dict.fromkeys(texts):
            if text in self._known:
                continue
            batch.append(text)
            size += len(text)
            if len(batch) == _TEXTS_AT_ONCE or size > _CHARACTERS_AT_ONCE:
                self._ask(batch)
                batch, size = [], 0
        if batch:
            self._ask(batch)

    def __getitem__(self, text: str) -> int:
        if text not in self._known:
            self._ask([text])
        return self._known[text]

    def _ask(self, texts: Sequence[str]) -> None:
        self._known.update(zip(texts, self._count(texts), strict=True))


class _Packer:
    """Packs pieces into chunks."""

    def __init__(self, title: str, limit: int, counted: _Counted) -> None:
        self._title, self._limit, self._counted = title, limit, counted
        self._pieces: list[_Piece] = []
        self._repeated = 0  # pieces at the beginning that the chunk before has, too
        self._size = 0

    def room(self, headings: tuple[str, ...]) -> int:
        """Return how many tokens the text below *headings* may have."""
        taken = self._counted[_path(self._title, headings)] + 1
        return max(self._limit - taken, int(self._limit * _LEAST), 1)

    def pack(self, pieces: Sequence[_Piece]) -> Iterator[Chunk]:
        """Yield the chunks of *pieces*."""
        for piece in pieces:
            if self._pieces and not self._takes(piece):
                yield self._chunk()
                self._begin_after(piece)
            self._size += self._cost(piece)
            self._pieces.append(piece)
        if len(self._pieces) > self._repeated:
            yield self._chunk()

    def _takes(self, piece: _Piece) -> bool:
        first, last = self._pieces[0].section.headings, self._pieces[-1].section.headings
        headings = _common(first, piece.section.headings)
        if piece.section.headings != last and (
            self._size >= self._limit * _SMALL or len(headings) < len(first) - 1
        ):
            return False
        return self._size + self._cost(piece) <= self.room(headings)

    def _cost(self, piece: _Piece) -> int:
        """Return the tokens that *piece* adds, with the headings that will stand in the text."""
        if not self._pieces or piece.section is self._pieces[-1].section:
            return piece.tokens + 1
        shared = len(_common(self._pieces[0].section.headings, piece.section.headings))
        own = piece.section.headings[shared:]
        return piece.tokens + 1 + sum(self._counted[each] + 1 for each in own)

    def _chunk(self) -> Chunk:
        headings = self._pieces[0].section.headings
        for piece in self._pieces:
            headings = _common(headings, piece.section.headings)
        text, overlap = "", 0
        before: Section | None = None
        for number, piece in enumerate(self._pieces):
            if piece.section is not before:
                own = piece.section.headings[len(headings) :]
                shown = "\n".join((*own, piece.text))
                text += ("\n\n" if text else "") + shown
            else:
                text += piece.glue + piece.text
            before = piece.section
            if number + 1 == self._repeated:
                overlap = len(text)
        return Chunk(
            text=text, headings=headings, page=self._pieces[0].section.page, overlap=overlap
        )

    def _begin_after(self, piece: _Piece) -> None:
        """Begin the next chunk, with the end of the last one if the section goes on."""
        kept, size = list[_Piece](), 0
        if piece.section is self._pieces[-1].section:
            room = min(self._limit * _OVERLAP, self.room(piece.section.headings) - piece.tokens)
            for each in reversed(self._pieces[self._repeated :]):
                size += each.tokens + 1
                if size > room or each.section is not piece.section:
                    break
                kept.insert(0, each)
            if not kept and (tail := _tail(self._pieces[-1], int(room))):
                kept = [tail]
        self._pieces, self._repeated = kept, len(kept)
        self._size = sum(each.tokens + 1 for each in kept)


def _tail(piece: _Piece, room: int) -> _Piece | None:
    """Return the last sentences or lines of *piece*, of about *room* tokens; None if none fits."""
    size = len(piece.text) * max(room, 0) // max(piece.tokens, 1)
    start = max(len(piece.text) - size, 1)
    end = _PART_END.search(piece.text, start)
    if end is None or end.end() == len(piece.text):
        return None
    return _Piece(piece.section, piece.text[end.end() :], piece.glue, room)


def _pieces(
    document: Document,
    limit: int,
    counted: _Counted,
    room: Callable[[tuple[str, ...]], int],
) -> list[_Piece]:
    """Return the blocks of *document*; those that are too large are cut."""
    blocks = [
        (section, block) for section in document.sections for block in split_blocks(section.text)
    ]
    counted.learn([block for _, block in blocks])
    counted.learn([each for section in document.sections for each in section.headings])
    large = [block for section, block in blocks if counted[block] > room(section.headings)]
    # They are cut finely, so that they fill a chunk below any headings.
    parts = _cut_blocks(large, max(1, int(limit * _LEAST)), counted)
    result: list[_Piece] = []
    for section, block in blocks:
        for number, (glue, text) in enumerate(parts.get(block, [("", block)])):
            result.append(_Piece(section, text, glue if number else "\n\n", counted[text]))
    return result


def _cut_blocks(
    blocks: Sequence[str], limit: int, counted: _Counted
) -> dict[str, list[tuple[str, str]]]:
    """Cut each block into parts of at most *limit* tokens; return them with what is before them."""
    parts = {block: [("", block)] for block in blocks}
    split_words = partial(_split_words, words=max(1, limit // 3))
    for split in (_split_lines, _split_sentences, split_words):
        for block, known in parts.items():
            parts[block] = [
                (glue if number == 0 else inner, text)
                for glue, part in known
                for number, (inner, text) in enumerate(
                    split(part) if counted[part] > limit else [("", part)]
                )
            ]
        counted.learn([text for known in parts.values() for _, text in known])
    for block, known in parts.items():
        parts[block] = [each for part in known for each in _halves(part, limit, counted)]
    return parts


def _halves(
    part: tuple[str, str], limit: int, counted: _Counted, *, depth: int = 0
) -> list[tuple[str, str]]:
    """Cut what has no space in it."""
    glue, text = part
    if counted[text] <= limit or len(text) < 2 or depth == _MOST_HALVINGS:  # noqa: PLR2004
        return [part]
    wanted = max(2, -(-counted[text] // limit))
    size = -(-len(text) // wanted)
    cuts = [text[start : start + size] for start in range(0, len(text), size)]
    counted.learn(cuts)
    return [
        each
        for number, cut_text in enumerate(cuts)
        for each in _halves(
            (glue if number == 0 else "", cut_text), limit, counted, depth=depth + 1
        )
    ]


def split_blocks(text: str) -> list[str]:
    """Return the blocks of *text*: what blank lines separate, and fenced code as a whole.

    Small blocks are joined with the next one.
    """
    blocks = list[str]()
    for block in _blocks(text.splitlines()):
        if blocks and len(blocks[-1]) < _SMALLEST_BLOCK:
            blocks[-1] += f"\n\n{block}"
        else:
            blocks.append(block)
    return blocks


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    block, fence = list[str](), ""
    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            ends = mark is not None and mark[1].startswith(fence) and not line.strip(" `~")
            fence = "" if ends else fence
        elif mark:
            fence = mark[1]
        elif not line.strip():
            if block:
                yield "\n".join(block)
            block = []
            continue
        block.append(line)
    if block:
        yield "\n".join(block)


def _split_lines(text: str) -> list[tuple[str, str]]:
    """Return runs of lines, since a piece for each short line would be too many."""
    runs = list[str]()
    for line in text.splitlines():
        if runs and len(runs[-1]) < _SHORTEST_RUN:
            runs[-1] += f"\n{line}"
        else:
            runs.append(line)
    return [("\n", run) for run in runs if run.strip()]


def _split_sentences(text: str) -> list[tuple[str, str]]:
    return [(" ", part) for part in _SENTENCE_END.split(text) if part and part.strip()]


def _split_words(text: str, *, words: int) -> list[tuple[str, str]]:
    """Return runs of so many words, since a piece for each word would be too many."""
    split = text.split()
    runs = (split[start : start + words] for start in range(0, len(split), words))
    return [(" ", " ".join(run)) for run in runs]


def _fitting(chunks: list[Chunk], title: str, limit: int, counted: _Counted) -> list[Chunk]:
    """Return the chunks; one that is too long with its headings is cut in the middle."""
    result: list[Chunk] = []
    counted.learn([embedded_text(title, chunk) for chunk in chunks])
    for chunk in chunks:
        result += _halved(chunk, title, limit, counted, _MOST_HALVINGS)
    return result


def _halved(chunk: Chunk, title: str, limit: int, counted: _Counted, halvings: int) -> list[Chunk]:
    text = chunk.text
    if counted[embedded_text(title, chunk)] <= limit or not halvings or len(text) < 2:  # noqa: PLR2004
        return [chunk]
    half = len(text) // 2
    middle = max(text.rfind("\n", 0, half), text.rfind(" ", 0, half))
    middle = middle if middle > len(text) // 4 else half
    overlap = min(chunk.overlap, middle)
    first = Chunk(text=text[:middle], headings=chunk.headings, page=chunk.page, overlap=overlap)
    rest = text[middle:]
    overlap = chunk.overlap - overlap
    second = Chunk(text=rest, headings=chunk.headings, page=chunk.page, overlap=overlap)
    return [
        each
        for half in (first, second)
        if half.text.strip()
        for each in _halved(half, title, limit, counted, halvings - 1)
    ]


def _path(title: str, headings: tuple[str, ...]) -> str:
    """Return the title and as many of the headings as have room, the innermost one first."""
    shown, room = list[str](), _LONGEST_HEADING
    for heading in reversed(headings):
        if room <= 0:
            break
        shown.insert(0, heading[:room])
        room -= len(heading)
    return " › ".join((title[:_LONGEST_TITLE], *shown))


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Return the headings that both have."""
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return one[:length]
