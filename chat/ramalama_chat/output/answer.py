"""Write one streamed answer."""

import time
from collections.abc import Generator
from contextlib import closing
from typing import Protocol, TextIO

from ramalama_chat.text import ControlFilter


class Style(Protocol):
    """How text looks on a terminal."""

    def feed(self, piece: str) -> str:
        """Return *piece* with its escape sequences."""
        ...

    def close(self) -> str:
        """Return the sequence that resets the style."""
        ...


def write_answer(
    pieces: Generator[str, None, None], out: TextIO, *, color: bool = False
) -> float | None:
    """Write each of *pieces* to *out* as it comes, without control sequences; end the last line.

    With *color*, Markdown is styled, and still every character is written at once. In any case,
    *pieces* is closed, so that the server stops, and the style is reset. Return when the first text
    came, as a value of `time.perf_counter`; None if no text came.
    """
    clean, style = ControlFilter(), _style(color=color)
    first: float | None = None
    last = ""
    with closing(pieces):
        try:
            for piece in pieces:
                text = clean.feed(piece)
                if not text:
                    continue
                if first is None:
                    first = time.perf_counter()
                out.write(style.feed(text) if style else text)
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
