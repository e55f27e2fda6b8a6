import os
import socket
import threading
from pathlib import Path
from typing import TextIO

import pytest

from ramalama_chat import PromptTooLarge, read_prompt
from ramalama_chat.input.prompt import is_piped, read_piped


def piped(content: bytes, folder: Path) -> TextIO:
    path = folder / "stdin"
    path.write_bytes(content)
    return path.open(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "content", "prompt"),
    [
        pytest.param(["why", "is it", "so?"], b"", "why is it so?", id="arguments-only"),
        pytest.param([], b"why?\n", "why?", id="input-only"),
        pytest.param(
            ["what does this do?"],
            b"x = 1\n",
            "what does this do?\n\nx = 1",
            id="input-below-arguments",
        ),
        pytest.param(["why?"], b"\n \n", "why?", id="empty-input"),
        pytest.param([], b"", None, id="neither"),
        pytest.param([""], b"", None, id="an-empty-argument"),
        pytest.param([], b"  indented\n\n  code\n\n", "  indented\n\n  code", id="layout-is-kept"),
        pytest.param([], b"na\xefve\0", "na\ufffdve\ufffd", id="no-utf-8"),
        pytest.param(["na\udcefve"], b"", "na\ufffdve", id="an-argument-in-no-utf-8"),
        pytest.param([], "🦭".encode(), "🦭", id="unicode"),
    ],
)
def test_arguments_and_input_make_one_prompt(
    tmp_path: Path, arguments: list[str], content: bytes, prompt: str | None
) -> None:
    with piped(content, tmp_path) as stdin:
        assert read_prompt(arguments, stdin) == prompt


def test_a_closed_stdin_says_nothing() -> None:
    assert read_prompt(["why?"], None) == "why?"


def test_a_device_is_not_read() -> None:
    with Path(os.devnull).open(encoding="utf-8") as stdin:
        assert not is_piped(stdin.fileno())
        assert read_prompt(["why?"], stdin) == "why?"


def test_a_terminal_is_not_read() -> None:
    ours, theirs = os.openpty()
    try:
        assert not is_piped(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def test_pipes_files_and_sockets_are_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    left, right = socket.socketpair()
    with left, right, piped(b"", tmp_path) as file:
        assert is_piped(reading)
        assert is_piped(left.fileno())
        assert is_piped(file.fileno())
    os.close(reading)
    os.close(writing)


def test_a_descriptor_that_is_closed_or_a_directory_is_not_read(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)

    assert not is_piped(directory)
    os.close(directory)
    assert not is_piped(directory)


def test_input_that_comes_in_pieces_is_read_to_its_end() -> None:
    reading, writing = os.pipe()
    text = "x" * 100_000  # more than a pipe holds

    def write() -> None:
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            pipe.write(text)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(reading, encoding="utf-8") as stdin:
        prompt = read_prompt([], stdin)
    writer.join()

    assert prompt == text


def test_too_much_input_is_refused_with_the_limit(tmp_path: Path) -> None:
    with piped(b"x" * 2000, tmp_path) as file:
        assert read_piped(file.fileno(), limit=2000) == "x" * 2000
    with (
        piped(b"x" * 2001, tmp_path) as file,
        pytest.raises(PromptTooLarge, match="more than 2,000 bytes"),
    ):
        read_piped(file.fileno(), limit=2000)
