"""Words on a terminal of ten columns, as a terminal shows them."""

import io
import unicodedata

import pyte
import pytest

from ramalama_chat.output.markdown.styler import Styler
from ramalama_chat.output.word_wrap import WordWrap

WIDTH = 10


def shown(*pieces: str, styled: bool = False) -> list[str]:
    """Return the lines of the screen after *pieces* were written."""
    screen = pyte.Screen(WIDTH, 20)
    stream = pyte.Stream(screen)
    wrap, styler = WordWrap(lambda: WIDTH), Styler()
    for piece in pieces:
        text = wrap.feed(styler.feed(piece) if styled else piece)
        stream.feed(text.replace("\n", "\r\n"))  # as the terminal's driver does
    display = unicodedata.normalize("NFC", "\n".join(screen.display)).rstrip()
    return [line.rstrip() for line in display.split("\n")]


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("styled", [False, True])
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("one two three four", ["one two", "three four"], id="a-word-that-just-fits"),
        pytest.param("one two threes four", ["one two", "threes", "four"], id="words"),
        pytest.param("0123456789 one", ["0123456789", "one"], id="a-space-at-the-margin"),
        pytest.param("012345678 one", ["012345678", "one"], id="a-space-before-the-margin"),
        pytest.param("0123456789\none", ["0123456789", "one"], id="a-newline-at-the-margin"),
        pytest.param("a 0123456789012 b", ["a", "0123456789", "012 b"], id="a-word-too-long"),
        pytest.param("0123456789012 b", ["0123456789", "012 b"], id="a-long-word-at-the-start"),
        pytest.param("a\tb cd", ["a       b", "cd"], id="a-tab"),
        pytest.param("one **two threes**", ["one **two", "threes**"], id="emphasis"),
        pytest.param("naive nai\u0308f ab", ["naive na\u00eff", "ab"], id="marks"),
        pytest.param("ab 中文中文中文", ["ab 中文中", "文中文"], id="wide-characters"),
        pytest.param("one two\n\nthree", ["one two", "", "three"], id="an-empty-line"),
        pytest.param(
            "```\none two three\n```\none two three",
            ["```", "one two th", "ree", "```", "one two", "three"],
            id="code",
        ),
    ],
)
def test_words_are_wrapped_at_the_margin_in_whatever_pieces_they_come(
    text: str, lines: list[str], size: int, *, styled: bool
) -> None:
    texts = [text[start : start + size] for start in range(0, len(text), size)]

    assert shown(*texts, styled=styled) == lines


def test_every_character_is_written_at_once() -> None:
    wrap, out = WordWrap(lambda: WIDTH), io.StringIO()

    for char in "one two three":
        out.write(written := wrap.feed(char))
        assert written.endswith(char)


def test_the_style_of_a_moved_word_is_kept() -> None:
    screen = pyte.Screen(WIDTH, 5)
    wrap = WordWrap(lambda: WIDTH)
    text = wrap.feed(Styler().feed("one two **threes** x"))

    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))

    moved = screen.buffer[1]
    assert "".join(moved[column].data for column in range(9)) == "**threes**"[:9]
    assert [moved[column].bold for column in range(3)] == [False, False, True]
