from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama_chat import ControlFilter

# What sequences are made of comes up far more often than chance would have it.
HOSTILE = st.sampled_from(
    [*"\x1b\x9b\x9d\x90\x9c\x07\x18\r\n\t\x7f\x85\u202e\u2066\ufeff\U000e0041\ud83d[]P\\;?0m 8(c"]
)
HOSTILE_TEXT = st.text(st.one_of(HOSTILE, HOSTILE, st.characters()))
CUTS = st.lists(st.integers(min_value=0, max_value=40))

PRINTABLE = st.text(
    st.one_of(st.sampled_from("\n\t\u200d\u200c\u200e\u200f\u061c\ufe0f🦭שل"), st.characters())
).filter(lambda text: not any(is_hostile(char) for char in text))


def is_hostile(char: str) -> bool:
    code = ord(char)
    return (
        (code < 0x20 and char not in "\n\t")
        or 0x7F <= code <= 0x9F
        or 0xD800 <= code <= 0xDFFF
        or 0x2028 <= code <= 0x202E
        or 0x2066 <= code <= 0x206F
        or 0xFFF9 <= code <= 0xFFFB
        or code == 0xFEFF
        or 0xE0000 <= code <= 0xE007F
    )


def filtered(pieces: Sequence[str]) -> str:
    cleaner = ControlFilter()
    return "".join(cleaner.feed(piece) for piece in pieces)


def cut(text: str, at: Sequence[int]) -> list[str]:
    places = [0, *sorted(at), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


@given(text=HOSTILE_TEXT, at=CUTS)
def test_nothing_that_a_terminal_obeys_comes_through(text: str, at: list[int]) -> None:
    assert not any(is_hostile(char) for char in filtered(cut(text, at)))


@given(text=HOSTILE_TEXT, at=CUTS)
def test_it_makes_no_difference_where_the_text_was_cut(text: str, at: list[int]) -> None:
    pieces = cut(text, at)

    assert filtered(pieces) == filtered(["".join(pieces)])


@given(text=PRINTABLE, at=CUTS)
def test_honest_text_comes_through_as_it_is_and_at_once(text: str, at: list[int]) -> None:
    cleaner = ControlFilter()

    for piece in cut(text, at):
        assert cleaner.feed(piece) == piece


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a\x1b[31mred\x1b[0m", "ared", id="colour"),
        pytest.param("a\x9b31mred", "ared", id="colour-8-bit"),
        pytest.param("a\x1b[2Jb", "ab", id="clear-screen"),
        pytest.param("a\x1b[?1049hb", "ab", id="private-mode"),
        pytest.param("a\x1b]0;title\x07b", "ab", id="title-ended-by-bel"),
        pytest.param("a\x1b]52;c;ZXZpbA==\x1b\\b", "ab", id="clipboard-ended-by-st"),
        pytest.param("a\x9d0;title\x9cb", "ab", id="title-8-bit"),
        pytest.param("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link", id="hyperlink"),
        pytest.param("a\x1bP1$r0m\x1b\\b", "ab", id="device-control"),
        pytest.param("a\x1b_Gpayload\x1b\\b", "ab", id="application-command"),
        pytest.param("a\x1bXsos\x1b\\\x1b^pm\x1b\\b", "ab", id="start-of-string-and-privacy"),
        pytest.param("a\x1bcb", "ab", id="reset"),
        pytest.param("a\x1b(0b", "ab", id="character-set"),
        pytest.param("a\x1b\x1b[31mb", "ab", id="escape-twice"),
        pytest.param("a\x1b[3\x1b[1mb", "ab", id="a-sequence-in-a-sequence"),
        pytest.param("a\x1b]0;x\x1b[31mb", "ab", id="a-sequence-in-a-string"),
        pytest.param("done\rfake", "donefake", id="carriage-return"),
        pytest.param("one\r\ntwo", "one\ntwo", id="dos-lines"),
        pytest.param("a\b\x07\x00\x7fb", "ab", id="backspace-bell-nul-delete"),
        pytest.param("if (\u202e true \u2066", "if ( true ", id="bidi-override"),
        pytest.param("hi\U000e0049\U000e0050", "hi", id="invisible-tags"),
        pytest.param("a\ud83db", "ab", id="half-a-character"),
        pytest.param(
            "👩\u200d👩\u200d👧 שלום\u200f!",
            "👩\u200d👩\u200d👧 שלום\u200f!",
            id="emoji-and-hebrew",
        ),
        pytest.param("a\x1b[\u00e9b", "a\u00e9b", id="no-sequence-after-all"),
        pytest.param("a\x1b]0;never ended\nb", "a\nb", id="a-string-ends-with-the-line"),
    ],
)
def test_sequences_go_whole_and_text_stays(text: str, shown: str) -> None:
    assert filtered([text]) == shown
    assert filtered(list(text)) == shown


@pytest.mark.parametrize("opening", ["\x1b]", "\x1bP", "\x9d", "\x1b[", "\x9b", "\x1b("])
def test_a_sequence_without_an_end_does_not_swallow_the_answer(opening: str) -> None:
    shown = filtered([opening, "0" * 5_000, "the answer"])

    assert shown.endswith("the answer")
