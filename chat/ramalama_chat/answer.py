"""Write one streamed answer."""

import time
from collections.abc import Generator
from contextlib import closing
from typing import TextIO

from ramalama_chat.terminal import ControlFilter

_YELLOW = "\x1b[33m"
_RESET = "\x1b[0m"


def write_answer(
    pieces: Generator[str, None, None], out: TextIO, *, color: bool = False
) -> float | None:
    """Write each of *pieces* to *out* as it comes, without control sequences; end the last line.

    Whatever happens, *pieces* is closed, so that the server stops, and the colour is taken back.
    Return when the first text came, as `time.perf_counter` has it; None if none came.
    """
    clean = ControlFilter()
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
                    text = f"{_YELLOW}{text}" if color else text
                out.write(text)
                out.flush()
                last = text[-1]
        finally:
            if first is not None:
                out.write((_RESET if color else "") + ("" if last == "\n" else "\n"))
                out.flush()
    return first
