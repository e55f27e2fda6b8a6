import io
from collections.abc import Generator

import pytest

from ramalama_chat.output.answer import ReasoningWriter

DIM, RESET = "\x1b[2m", "\x1b[0m"


def answer(writer: ReasoningWriter, err: io.StringIO) -> Generator[str, None, None]:
    writer.write("Let me ")
    writer.write("see\x1b[2J.")
    assert err.getvalue().endswith("see.")
    yield "42"


@pytest.mark.parametrize(
    ("color", "shown"), [(True, f"{DIM}Let me see.{RESET}\n"), (False, "Let me see.\n")]
)
def test_thoughts_are_shown_as_they_come_and_end_before_the_answer(
    *, color: bool, shown: str
) -> None:
    err = io.StringIO()
    writer = ReasoningWriter(err, color=color)

    for piece in writer.before(answer(writer, err)):
        assert (piece, err.getvalue()) == ("42", shown)

    assert err.getvalue() == shown


def test_a_style_is_taken_back_when_the_thoughts_are_interrupted() -> None:
    err = io.StringIO()
    writer = ReasoningWriter(err, color=True)

    def interrupted() -> Generator[str, None, None]:
        writer.write("Hm")
        raise KeyboardInterrupt
        yield ""

    with pytest.raises(KeyboardInterrupt):
        list(writer.before(interrupted()))

    assert err.getvalue() == f"{DIM}Hm{RESET}\n"


@pytest.mark.parametrize("thoughts", ["", "\n\n"])
def test_without_thoughts_nothing_is_written(thoughts: str) -> None:
    err = io.StringIO()
    writer = ReasoningWriter(err, color=True)
    for thought in thoughts:
        writer.write(thought)

    assert list(writer.before(piece for piece in ["42"])) == ["42"]
    assert err.getvalue() == ""


def test_empty_lines_are_left_out_before_the_first_thought_alone() -> None:
    err = io.StringIO()
    writer = ReasoningWriter(err, color=False)
    for thought in ("\n", "\nOne.\n", "\nTwo."):
        writer.write(thought)
    writer.end()

    assert err.getvalue() == "One.\n\nTwo.\n"
