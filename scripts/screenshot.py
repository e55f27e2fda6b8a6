#!/usr/bin/env python3
"""Draw a terminal with a chat as SVG, from a real one: ``scripts/screenshot.py MODEL FILE.svg``.

The engine is the one that ``ramalama`` finds. With the same model the picture is the same again but
for the times in it: the sampler always takes the likeliest word.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pyte

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS, LINES = 98, 19
CELL_WIDTH, CELL_HEIGHT, MARGIN = 8.4, 18, 14  # pixels
PATIENCE = 120.0  # seconds for one answer
QUIET = 2.0  # seconds after which a terminal has said all

TALK = (
    "/stats",
    "Write a Python function that adds two numbers. Only the code.",
)
COLORS = {
    "default": "#d8dee9",
    "black": "#4c566a",
    "red": "#bf616a",
    "green": "#a3be8c",
    "brown": "#ebcb8b",
    "blue": "#81a1c1",
    "magenta": "#b48ead",
    "cyan": "#88c0d0",
    "white": "#eceff4",
}


@dataclass(frozen=True, slots=True)
class Style:
    """How a run of characters looks."""

    color: str
    bold: bool
    italic: bool

    @property
    def attributes(self) -> str:
        """What SVG calls it."""
        bold = ' font-weight="bold"' if self.bold else ""
        italic = ' font-style="italic"' if self.italic else ""
        return f'fill="{self.color}"{bold}{italic}'


def main(model: str, target: Path) -> None:
    """Talk, and draw what can be seen then."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.Stream(screen)
    command = ["run", "--temp=0", "--ctx-size=2048", "--runtime-args=--seed 1", model]
    child: pexpect.spawn[str] = pexpect.spawn(
        str(Path(sys.executable).with_name("ramalama")),
        command,
        dimensions=(LINES, COLUMNS),
        encoding="utf-8",
        env={**os.environ, "TERM": "xterm-256color", "RAMALAMA_NOHISTORY": "1"},
    )
    stream.feed(f"$ ramalama run {Path(model).stem}\r\n")
    read(child, stream, screen)
    for line in TALK:
        child.send(f"{line}\r")
        read(child, stream, screen)
    target.write_text(svg(screen), encoding="utf-8")
    child.send("/bye\r")
    child.expect(pexpect.EOF)
    child.close()


def read(child: pexpect.spawn[str], stream: pyte.Stream, screen: pyte.Screen) -> None:
    """Feed the screen until the prompt is there again, and nothing follows it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            stream.feed(child.read_nonblocking(4096, timeout=QUIET))
        except pexpect.TIMEOUT:
            if screen.display[screen.cursor.y].strip().startswith("🦭"):
                return
    sys.exit("no prompt came")


def svg(screen: pyte.Screen) -> str:
    """Draw the screen."""
    width, height = MARGIN * 2 + COLUMNS * CELL_WIDTH, MARGIN * 2 + LINES * CELL_HEIGHT
    rows = "\n".join(row for number in range(LINES) for row in draw(screen, number))
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-size="14"
     font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace">
<rect width="100%" height="100%" rx="8" fill="#2e3440"/>
{rows}
</svg>
"""


def draw(screen: pyte.Screen, number: int) -> Iterator[str]:
    """Draw the runs of equal characters of a line."""
    cells = [screen.buffer[number][column] for column in range(COLUMNS)]
    y = MARGIN + (number + 0.75) * CELL_HEIGHT
    for style, run in groupby(enumerate(cells), key=lambda pair: style_of(pair[1])):
        found = list(run)
        text = "".join(cell.data for _, cell in found).rstrip()
        if text.strip():
            x = MARGIN + found[0][0] * CELL_WIDTH
            yield (
                f'<text x="{x:g}" y="{y:g}" {style.attributes} xml:space="preserve">'
                f"{escape(text, quote=False)}</text>"
            )


def style_of(cell: pyte.screens.Char) -> Style:
    """Read a character's look."""
    color = COLORS.get(cell.fg, f"#{cell.fg}")  # pyte has those of 256 and more as RRGGBB
    return Style(color, cell.bold, cell.italics)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
