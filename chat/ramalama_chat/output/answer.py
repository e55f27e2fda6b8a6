"""Write one streamed answer."""

from __future__ import annotations

import time
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Protocol, TextIO

from ramalama_chat.text import ControlFilter

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama_chat.output.terminal import AnswerTerminal


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
