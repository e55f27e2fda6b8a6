"""Framed logs and JSON lines, however they are cut on their way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama_engines.rest.streams import json_lines, log_lines

if TYPE_CHECKING:
    from collections.abc import Iterator


def frame(payload: bytes, stream: int = 1) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


@pytest.mark.parametrize(
    ("frames", "lines"),
    [
        ([], []),
        ([frame(b"one\ntwo\n")], ["one", "two"]),
        ([frame(b"without an end")], ["without an end"]),
        ([frame(b"begun "), frame(b"and ended\n")], ["begun and ended"]),
        ([frame(b"out "), frame(b"err\n", 2), frame(b"out\n")], ["err", "out out"]),
        ([frame(b""), frame(b"\n"), frame(b"\n")], ["", ""]),
        ([frame(b"carriage\r\n")], ["carriage"]),
        ([frame(b"no \xff utf-8\n")], ["no � utf-8"]),
        ([frame("🦭".encode()[:2]), frame("🦭".encode()[2:] + b"\n")], ["🦭"]),
        ([frame(b"123456789\n")], ["1234", "5678", "9"]),
        ([frame(b"1234567"), frame(b"89\n")], ["1234", "5678", "9"]),
        ([frame(b"1234\n")], ["1234"]),
    ],
)
def test_a_log_is_read_line_by_line(frames: list[bytes], lines: list[str]) -> None:
    longest = 4 if lines and lines[0] == "1234" else 100

    assert list(log_lines(frames, longest=longest)) == lines


def test_a_line_is_yielded_as_soon_as_it_has_ended() -> None:
    seen: list[str] = []

    def chunks() -> Iterator[bytes]:
        yield frame(b"first\nsecond")
        seen.append("asked for more")

    lines = log_lines(chunks())

    assert next(lines) == "first"
    assert seen == []


@given(st.lists(st.tuples(st.text(alphabet="ab\né", max_size=9), st.integers(1, 2))), st.data())
def test_it_does_not_matter_where_a_log_is_cut(
    texts: list[tuple[str, int]], data: st.DataObject
) -> None:
    whole = b"".join(frame(text.encode(), stream) for text, stream in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)))))
    chunks = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    assert list(log_lines(chunks)) == list(log_lines([whole]))


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_objects_are_read_however_they_are_cut(size: int) -> None:
    objects = [{"stream": "Copying"}, {"id": "é", "n": {"total": 3}}, {}]
    body = "\r\n".join(json.dumps(value) for value in objects).encode()
    chunks = [body[start : start + size] for start in range(0, len(body), size)]

    assert list(json_lines(chunks)) == objects


def test_what_is_no_object_is_passed_over() -> None:
    assert list(json_lines([b'\n[1]\n"x"\nnull\nnonsense\n\xff\n{"a": 1}'])) == [{"a": 1}]


@pytest.mark.parametrize("line", [b"[" * 200_000, b'{"n": ' + b"1" * 100_000 + b"}"])
def test_what_is_too_much_for_the_parser_is_passed_over(line: bytes) -> None:
    assert list(json_lines([line + b'\n{"a": 1}'])) == [{"a": 1}]
