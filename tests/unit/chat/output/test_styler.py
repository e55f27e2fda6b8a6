"""Markdown on a terminal: styled as it comes, and not a character more or less."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama_chat.output.markdown.styler import RESET, Styler

SGR = r"\x1b\[[0-9;]*m"
PLAIN, BOLD, ITALIC, BOTH, CODE = "33", "33;1", "33;3", "33;1;3", "36"

# Text of which much is Markdown, without the escapes that ControlFilter has taken out before.
texts = st.text(
    st.one_of(st.sampled_from("*_`~# \n\\-1.ab"), st.characters(exclude_characters="\x1b"))
)


def styled(*pieces: str) -> str:
    styler = Styler()
    return "".join([styler.feed(piece) for piece in pieces]) + styler.close()


def looks(text: str) -> list[tuple[str, str]]:
    """Return the runs of equal style of *text*, once it is styled."""
    runs: list[tuple[str, str]] = []
    style = ""
    for part in re.split(f"({SGR})", styled(text)):
        if re.fullmatch(SGR, part):
            style = part[2:-1].removeprefix("0;")
        elif part:
            runs.append((style, part))
    return runs


@given(texts)
def test_without_its_escapes_the_output_is_the_text(text: str) -> None:
    assert re.sub(SGR, "", styled(text)) == text


@given(st.lists(texts))
def test_each_piece_is_shown_at_once_and_whole(pieces: list[str]) -> None:
    styler = Styler()

    for piece in pieces:
        assert re.sub(SGR, "", styler.feed(piece)) == piece


@given(texts)
def test_where_a_text_is_cut_changes_nothing(text: str) -> None:
    assert styled(*text) == styled(text)


@given(texts)
def test_no_style_outlasts_the_answer(text: str) -> None:
    assert styled(text).endswith(RESET) or text == ""


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        pytest.param("plain", [(PLAIN, "plain")], id="plain"),
        pytest.param("a **b** c", [(PLAIN, "a **"), (BOLD, "b**"), (PLAIN, " c")], id="bold"),
        pytest.param("**b**c", [(PLAIN, "**"), (BOLD, "b**"), (PLAIN, "c")], id="bold-in-a-word"),
        pytest.param("*b*c", [(PLAIN, "*"), (ITALIC, "b*"), (PLAIN, "c")], id="italic-in-a-word"),
        pytest.param("a *b* c", [(PLAIN, "a *"), (ITALIC, "b*"), (PLAIN, " c")], id="italic"),
        pytest.param("***b*** c", [(PLAIN, "***"), (BOTH, "b***"), (PLAIN, " c")], id="both"),
        pytest.param(
            "__b__ _i_ c",
            [(PLAIN, "__"), (BOLD, "b__"), (PLAIN, " _"), (ITALIC, "i_"), (PLAIN, " c")],
            id="underscores",
        ),
        pytest.param("a_b_c 2 * 3 * 4", [(PLAIN, "a_b_c 2 * 3 * 4")], id="no-marks-at-all"),
        pytest.param(r"\*a\* b", [(PLAIN, r"\*a\* b")], id="escaped"),
        pytest.param("a `*b*` c", [(PLAIN, "a `"), (CODE, "*b*`"), (PLAIN, " c")], id="code-span"),
        pytest.param("``a`b`` c", [(PLAIN, "``"), (CODE, "a`b``"), (PLAIN, " c")], id="backticks"),
        pytest.param("*a\nb", [(PLAIN, "*"), (ITALIC, "a"), (PLAIN, "\nb")], id="never-closed"),
        pytest.param("## H\nb", [(PLAIN, "##"), (BOLD, " H"), (PLAIN, "\nb")], id="heading"),
        pytest.param("#tag", [(PLAIN, "#tag")], id="no-heading"),
        pytest.param("####### H", [(PLAIN, "####### H")], id="too-deep-for-a-heading"),
        pytest.param(
            "```py\n# x *y*\n```\nb",
            [(PLAIN, "``"), (CODE, "`py\n# x *y*\n```"), (PLAIN, "\nb")],
            id="fence",
        ),
        pytest.param(
            "~~~~\n```\n~~~\n~~~~\nb",
            [(PLAIN, "~~"), (CODE, "~~\n```\n~~~\n~~~~"), (PLAIN, "\nb")],
            id="fence-that-holds-fences",
        ),
        pytest.param(
            "```\na\n``` b\n```\nc",
            [(PLAIN, "``"), (CODE, "`\na\n``` b\n```"), (PLAIN, "\nc")],
            id="a-fence-with-text-closes-nothing",
        ),
        pytest.param(
            "```a``` b\nc", [(PLAIN, "``"), (CODE, "`a```"), (PLAIN, " b\nc")], id="span-like-fence"
        ),
        pytest.param("   ```\na", [(PLAIN, "   ``"), (CODE, "`\na")], id="a-fence-may-be-indented"),
        pytest.param("    ```\na", [(PLAIN, "    ```\na")], id="but-not-by-four"),
    ],
)
def test_markdown_looks_like_what_it_means(text: str, runs: list[tuple[str, str]]) -> None:
    assert looks(text) == runs
