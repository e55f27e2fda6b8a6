"""Write one streamed answer, and before it the model's reasoning, dim."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Protocol, TextIO

from ramalama_chat.text import ControlFilter

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama_chat.output.terminal import AnswerTerminal
    from ramalama_chat.output.word_wrap import WordWrap


class Style(Protocol):
    """How text looks on a terminal."""

    def feed(self, piece: str) -> str:
        """Return *piece* with its escape sequences."""
        ...

    def close(self) -> str:
        """Return the sequence that resets the style."""
        ...


def write_answer(
    pieces: Generator[str, None, None],
    out: TextIO,
    *,
    color: bool = False,
    terminal: AnswerTerminal | None = None,
) -> float | None:
    """Write each of *pieces* to *out* as it comes, without control sequences; end the last line.

    With *color*, Markdown is styled, and still every character is written at once. With *terminal*,
    words are wrapped, and keys that are typed meanwhile are not shown. In any case, *pieces* is
    closed, so that the server stops, and the style is reset. Return when the first text came, as a
    value of `time.perf_counter`; None if no text came.
    """
    clean, style = ControlFilter(), _style(color=color)
    wrap = terminal.wrap() if terminal else None
    first: float | None = None
    last = ""
    with closing(pieces), terminal.hidden_keys() if terminal else nullcontext():
        try:
            for piece in pieces:
                text = clean.feed(piece)
                if not text:
                    continue
                if first is None:
                    first = time.perf_counter()
                shown = style.feed(text) if style else text
                out.write(wrap.feed(shown) if wrap else shown)
                out.flush()
                last = text[-1]
        finally:
            if first is not None:
                out.write((style.close() if style else "") + ("" if last == "\n" else "\n"))
                out.flush()
    return first


def _style(*, color: bool) -> Style | None:
    if not color:
        return None
    from ramalama_chat.output.markdown.styler import Styler  # noqa: PLC0415 - not for a pipe

    return Styler()


_DIM, _RESET = "\x1b[2m", "\x1b[0m"


class ReasoningWriter:
    """Writes reasoning to *err* as it comes, and ends its last line before the answer begins.

    Words are wrapped if *terminal* is that of *err*.
    """

    def __init__(self, err: TextIO, *, color: bool, terminal: AnswerTerminal | None = None) -> None:
        self._err = err
        self._color = color
        self._terminal = terminal
        self._wrap: WordWrap | None = None
        self._clean = ControlFilter()
        self._last = ""  # the last character; "" if nothing is shown

    def write(self, thought: str) -> None:
        """Write *thought*, without control sequences and without newlines at the beginning."""
        text = self._clean.feed(thought)
        if not self._last:
            text = text.lstrip("\n")
        if not text:
            return
        if not self._last:
            self._err.write(_DIM if self._color else "")
            self._wrap = self._terminal.wrap() if self._terminal else None
        self._err.write(self._wrap.feed(text) if self._wrap else text)
        self._err.flush()
        self._last = text[-1]

    def end(self) -> None:
        """End the last line, and reset the style."""
        if self._last:
            newline = "" if self._last == "\n" else "\n"
            self._err.write((_RESET if self._color else "") + newline)
            self._err.flush()
            self._last = ""

    def before(self, pieces: Generator[str, None, None]) -> Generator[str, None, None]:
        """Yield the *pieces* of the answer; end the reasoning before the first of them."""
        with closing(pieces):
            try:
                for piece in pieces:
                    self.end()
                    yield piece
            finally:
                self.end()
