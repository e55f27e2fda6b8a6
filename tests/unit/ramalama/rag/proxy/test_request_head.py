"""Heads of requests: what is passed on, and what could be read in two ways."""

import h11
import pytest

from ramalama.rag.proxy.request_head import BadRequestError, RequestHead, find_head, read_head

POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n"


def parse(data: bytes) -> RequestHead:
    length = find_head(data)
    assert length
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(data[:length])
    return read_head(parser)


def test_a_head_is_passed_on_with_its_names_as_they_came() -> None:
    head = parse(POST + b"x-Custom: 1\r\nContent-Length: 5\r\nAuthorization: Bearer k\r\n\r\nhello")

    assert head.to_server(length=7, key=None) == (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nx-Custom: 1\r\nContent-Length: 7\r\n\r\n"
    )
    assert head.key == "k"
    assert head.is_chat
    assert head.length == 5


def test_the_key_of_the_server_takes_the_place_of_the_clients() -> None:
    head = parse(POST + b"Authorization: Bearer k\r\nContent-Length: 0\r\n\r\n")

    assert b"Authorization: Bearer server\r\n" in head.to_server(length=0, key="server")
    assert b"Bearer k" not in head.to_server(length=0, key="server")


def test_chunks_are_announced_anew() -> None:
    head = parse(
        POST + b"Transfer-Encoding: chunked\r\nTE: trailers\r\nExpect: 100-continue\r\n\r\n"
    )

    passed = head.to_server(length=head.length, key=None)
    assert passed.endswith(b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n")


@pytest.mark.parametrize(
    "data",
    [
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        POST + b"Content-Length: +5\r\n\r\n",
        POST + b"Content-Length: 0x5\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n",
        POST + b"Transfer-Encoding : chunked\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n x\r\n\r\n",
        POST + b"X: a\nContent-Length: 5\r\n\r\n",
        POST + b"X: a\rContent-Length: 5\r\n\r\n",
        POST + b"X: a\0\r\n\r\n",
        POST + b"Host: b\r\n\r\n",
        POST + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/3\r\nHost: a\r\n\r\n",
        b"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET /\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequestError):
        parse(data)


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\nHost: a\n\n", b"GET / HTTP/1.1\r\nHost: a\n", b"a" * 64 * 1024]
)
def test_a_head_is_refused_before_it_is_complete(data: bytes) -> None:
    with pytest.raises(BadRequestError):
        find_head(data)


@pytest.mark.parametrize("end", range(len(POST)))
def test_a_head_that_is_not_complete_is_waited_for(end: int) -> None:
    assert find_head(POST[:end]) == 0


@pytest.mark.parametrize("given", [b"5, 5", b"5\r\nContent-Length: 5"])
def test_a_length_that_is_repeated_is_passed_on_once(given: bytes) -> None:
    head = parse(POST + b"Content-Length: " + given + b"\r\n\r\n")

    assert head.to_server(length=head.length, key=None).count(b"Content-Length: 5\r\n") == 1


def test_a_body_may_have_any_bytes() -> None:
    data = POST + b"\r\n"

    assert find_head(data + b"\n\0\r\r\n\r\n") == len(data)


@pytest.mark.parametrize(
    ("line", "is_chat", "needs_no_key"),
    [
        (b"POST /v1/chat/completions?x=1", True, False),
        (b"POST /chat/completions", True, False),
        (b"GET /v1/chat/completions", False, False),
        (b"POST /v1/chat/completions/", False, False),
        (b"GET /health", False, True),
        (b"POST /health", False, False),
        (b"OPTIONS /v1/chat/completions", False, True),
        (b"OPTIONS *", False, True),
    ],
)
def test_a_head_says_what_is_asked(line: bytes, is_chat: bool, needs_no_key: bool) -> None:  # noqa: FBT001
    head = parse(line + b" HTTP/1.1\r\nHost: a\r\n\r\n")

    assert (head.is_chat, head.needs_no_key) == (is_chat, needs_no_key)


@pytest.mark.parametrize(
    ("data", "keeps"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, CLOSE\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
    ],
)
def test_a_head_says_whether_another_request_may_come(data: bytes, keeps: bool) -> None:  # noqa: FBT001
    head = parse(data)

    assert head.keeps_connection is keeps
    assert (b"Connection: close" in head.to_server(length=0, key=None)) is not keeps
