import io
from collections.abc import Generator

import pytest

from ramalama_chat import ServerGone, write_answer


def pieces(*texts: str) -> Generator[str, None, None]:
    yield from texts


class Recorder(io.StringIO):
    """Remembers what was visible at each flush."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed: list[str] = []

    def flush(self) -> None:
        self.flushed.append(self.getvalue())


def test_each_piece_is_visible_as_soon_as_it_comes() -> None:
    out = Recorder()

    first = write_answer(pieces("Hel", "lo"), out)

    assert out.flushed == ["Hel", "Hello", "Hello\n"]
    assert first is not None


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (("Hello",), "Hello\n"),
        (("Hello\n",), "Hello\n"),
        (("Hello", "\n", "\n"), "Hello\n\n"),
        (("", "Hello", ""), "Hello\n"),
        ((), ""),
        (("\x1b", "[31m", "red\r\n"), "red\n"),
    ],
)
def test_an_answer_is_clean_and_ends_with_a_newline(texts: tuple[str, ...], shown: str) -> None:
    out = io.StringIO()

    write_answer(pieces(*texts), out)

    assert out.getvalue() == shown


def test_colour_is_set_once_and_taken_back() -> None:
    out = io.StringIO()

    write_answer(pieces("Hel", "lo"), out, color=True)

    assert out.getvalue() == "\x1b[33mHello\x1b[0m\n"


def test_without_a_word_the_screen_is_left_alone() -> None:
    out = io.StringIO()

    assert write_answer(pieces("", "\x1b[2J"), out, color=True) is None
    assert out.getvalue() == ""


@pytest.mark.parametrize("failure", [ServerGone("gone"), KeyboardInterrupt()])
def test_colour_and_line_end_even_if_the_answer_breaks_off(failure: BaseException) -> None:
    def breaking() -> Generator[str, None, None]:
        yield "Hel"
        raise failure

    out = io.StringIO()
    with pytest.raises(type(failure)):
        write_answer(breaking(), out, color=True)

    assert out.getvalue() == "\x1b[33mHel\x1b[0m\n"


def test_an_answer_that_cannot_be_written_is_stopped_at_its_source() -> None:
    stopped: list[bool] = []

    def endless() -> Generator[str, None, None]:
        try:
            while True:
                yield "ha"
        finally:
            stopped.append(True)

    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    laughter = endless()  # held on to, so that nothing but a close ends it
    with pytest.raises(BrokenPipeError):
        write_answer(laughter, Closed())

    assert stopped == [True]
