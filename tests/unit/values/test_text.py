"""How a stranger's text is shown: nothing of it acts on a terminal, and nothing is hidden."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama_values.text import one_line, printable

SHOWN = [
    pytest.param("", "", id="nothing"),
    pytest.param("plain ASCII ~", "plain ASCII ~", id="ascii"),
    pytest.param("naïve 🦭 שלום 中文", "naïve 🦭 שלום 中文", id="letters-of-all-scripts"),
    pytest.param("❤\ufe0f", "❤\ufe0f", id="an-emoji-with-its-selector"),
    pytest.param("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m", id="colour"),
    pytest.param("\x9b2J", r"\x9b2J", id="clear-screen-in-8-bits"),
    pytest.param("a\x07\x00\x08\x7f", r"a\x07\x00\x08\x7f", id="bell-nul-backspace-delete"),
    pytest.param("a\x1c\x1f\x0b\x0cb", r"a\x1c\x1f\x0b\x0cb", id="separators-of-ascii"),
    pytest.param("a\x85b", r"a\x85b", id="next-line"),
    pytest.param("a\u2028b\u2029c", r"a\u2028b\u2029c", id="line-and-paragraph-separators"),
    pytest.param("\u202egpj.exe", r"\u202egpj.exe", id="override"),
    pytest.param("\u2066a\u2069\u200f", r"\u2066a\u2069\u200f", id="isolates-and-marks"),
    pytest.param("a\u200bb\u200dc\ufeff", r"a\u200bb\u200dc\ufeff", id="without-a-width"),
    pytest.param("hi\U000e0049\U000e0050", r"hi\U000e0049\U000e0050", id="tags"),
    pytest.param("x\U000e0101", r"x\U000e0101", id="a-hidden-variation-selector"),
    pytest.param("a\u3164b\u115f\uffa0", r"a\u3164b\u115f\uffa0", id="invisible-letters"),
    pytest.param("a\u2800b", r"a\u2800b", id="an-empty-braille-pattern"),
    pytest.param("na\udcefve\ud83d", r"na\udcefve\ud83d", id="lone-surrogates"),
    pytest.param("\ue000\U0010ffff", r"\ue000\U0010ffff", id="without-a-meaning"),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_what_is_not_plainly_visible_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert one_line(text) == shown


@pytest.mark.parametrize(
    ("text", "shown", "line"),
    [
        ("two\nlines\r\n and\ttabs ", r"two\nlines\r\n and\ttabs ", "two lines and tabs"),
        ("Erreur\u00a0: 3\u202f000", r"Erreur\xa0: 3\u202f000", "Erreur : 3 000"),
        ("中\u3000文", r"中\u3000文", "中 文"),
        ("\n\n", r"\n\n", ""),
    ],
)
def test_white_space_is_escaped_in_a_name_and_one_space_in_a_line(
    text: str, shown: str, line: str
) -> None:
    assert printable(text) == shown
    assert one_line(text) == line


def test_characters_that_are_to_be_kept_stay() -> None:
    assert printable("a\tb\x1b\nc", keep="\n") == "a\\tb\\x1b\nc"


@pytest.mark.parametrize(
    ("text", "longest", "line"),
    [
        ("x" * 200, 200, "x" * 200),
        ("x" * 201, 200, "x" * 200 + "…"),
        (b"x" * 10_000_000, 200, "x" * 200 + "…"),
        ("x" * 5000, 1000, "x" * 1000 + "…"),
        ("ab\x1b[", 6, r"ab\x1b…"),
        ("ab\x1b", 5, "ab…"),
        ("a" + " " * 500 + "b", 10, "a…"),
        (b"na\xefve", 10, "na\N{REPLACEMENT CHARACTER}ve"),
        (b"\xf0\x9f\xa6\xad" * 3, 3, "🦭🦭🦭"),
    ],
)
def test_a_line_is_never_longer_and_ends_before_an_escape_that_does_not_fit(
    text: str | bytes, longest: int, line: str
) -> None:
    assert one_line(text, longest=longest) == line


@given(st.text())
def test_any_text_becomes_visible_characters_only(text: str) -> None:
    shown = printable(text)

    assert shown.isprintable()
    assert printable(shown) == shown
    assert shown.encode().decode() == shown  # no half of a pair


@given(st.text(st.characters(exclude_characters="\t\n\r \u00a0\u202f\u3000")))
def test_no_character_is_lost(text: str) -> None:
    assert len(printable(text)) >= len(text)
    assert one_line(text, longest=10_000) == printable(text)


@given(st.one_of(st.text(), st.binary()), st.integers(min_value=1, max_value=50))
def test_a_line_has_a_bound(text: str | bytes, longest: int) -> None:
    line = one_line(text, longest=longest)

    assert len(line) <= longest + 1
    assert line.isprintable()
