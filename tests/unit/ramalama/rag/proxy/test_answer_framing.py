"""Where an answer ends, whatever its pieces are."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.rag.proxy.answer_framing import AnswerHead, BadAnswerError, BodyFraming

CHUNKED = b"5\r\nhello\r\n1;x=y\r\n \r\nA \r\n0123456789\r\n0\r\nA: b\r\n\r\n"


def head(*lines: str, first: str = "HTTP/1.1 200 OK") -> AnswerHead:
    return AnswerHead.parse("".join(f"{line}\r\n" for line in (first, *lines, "")).encode())


@given(st.lists(st.integers(0, len(CHUNKED)), max_size=9))
def test_a_chunked_body_ends_after_its_trailer_in_whatever_pieces(cuts: list[int]) -> None:
    whole = CHUNKED + b"HTTP/1.1 200 OK"
    framing, taken = BodyFraming(chunked=True), 0
    bounds = sorted({0, *cuts, len(whole)})

    for begin, end in pairwise(bounds):
        taken += framing.feed(whole[begin:end])

    assert framing.done
    assert taken == len(CHUNKED)


@given(st.integers(1, 99), st.lists(st.integers(0, 99), max_size=5))
def test_a_body_of_known_length_ends_after_so_many_bytes(length: int, cuts: list[int]) -> None:
    framing, taken, whole = BodyFraming(length=length), 0, bytes(length + 10)
    bounds = sorted({0, *(cut for cut in cuts if cut < length), len(whole)})

    for begin, end in pairwise(bounds):
        taken += framing.feed(whole[begin:end])

    assert framing.done
    assert taken == length


@pytest.mark.parametrize(
    "body", [b"x\r\n", b"-1\r\n", b"\r\n", b"0x5\r\n", b"5 5\r\n", b"1" * 20 + b"\r\n", b"5" * 9999]
)
def test_a_chunk_without_a_valid_size_is_refused(body: bytes) -> None:
    with pytest.raises(BadAnswerError):
        BodyFraming(chunked=True).feed(body)


def test_a_body_without_length_ends_with_the_connection() -> None:
    framing = head("Content-Type: text/plain").body(b"GET")

    assert framing.until_close
    assert framing.feed(b"any") == 3
    assert not framing.done


@pytest.mark.parametrize(
    ("method", "first"),
    [(b"HEAD", "HTTP/1.1 200 OK"), (b"GET", "HTTP/1.1 204 No Content"), (b"GET", "HTTP/1.1 304")],
)
def test_some_answers_have_no_body_whatever_their_head_says(method: bytes, first: str) -> None:
    assert head("Content-Length: 7", first=first).body(method).done


@pytest.mark.parametrize(
    "lines",
    [
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ("Transfer-Encoding: gzip, chunked",),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: +5",),
        ("Content-Length: ",),
    ],
)
def test_an_answer_that_can_end_in_two_places_is_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(BadAnswerError):
        head(*lines).body(b"GET")


@pytest.mark.parametrize(
    "raw",
    [
        b"HELLO\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
    ],
)
def test_what_is_no_head_is_refused(raw: bytes) -> None:
    with pytest.raises(BadAnswerError):
        AnswerHead.parse(raw)


def test_fields_are_added_and_the_rest_of_a_head_stays() -> None:
    found = head("content-length: 5", "X-A:  b ", "Date: now")

    changed = found.changed(added={"X-Sources": "[]"}, length=7)

    assert changed == (
        b"HTTP/1.1 200 OK\r\nX-A:  b \r\nDate: now\r\nContent-Length: 7\r\nX-Sources: []\r\n\r\n"
    )
    assert found.changed(added={}) == found.raw


@pytest.mark.parametrize(
    ("found", "ends"),
    [
        (head("Connection: keep-alive"), False),
        (head("Connection: x, Close"), True),
        (head(first="HTTP/1.0 200 OK"), True),
        (head(), False),
    ],
)
def test_a_head_says_whether_the_connection_ends(found: AnswerHead, ends: bool) -> None:  # noqa: FBT001
    assert found.ends_connection is ends


@pytest.mark.parametrize("value", [f"{' ' * 1000}\0", f"x{' ' * 50_000}x", f"{' ' * 60_000}x"])
def test_spaces_in_a_field_cost_no_time(value: str) -> None:
    begin = time.monotonic()

    if "\0" in value:
        with pytest.raises(BadAnswerError):
            head(f"A:{value}")
    else:
        assert head(f"A:{value}\t ").fields[b"a"] == value.strip().encode()

    assert time.monotonic() - begin < 0.5
