"""What is said when a server of models says nothing, or too much."""

from __future__ import annotations

import httpx2
import pytest

from ramalama.errors import ModelPullError
from ramalama.models.http.client import ask_server
from ramalama.models.http.failures import RetryPolicy, server_of
from tests.doubles.server import FileServer, Reply


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://example.com/a/b", "example.com"),
        ("http://[::1]:80/a", "[::1]:80"),
        ("https://me:pw@mirror.example/x", "mirror.example"),
    ],
)
def test_a_server_is_named_without_a_password(url: str, server: str) -> None:
    assert server_of(url) == server


def test_a_refusal_is_an_answer() -> None:
    with FileServer() as server, httpx2.Client() as client:
        answer = ask_server(client, f"{server.url}/nothing", limit=100)

    assert (answer.status, answer.body) == (404, b"no such path")


def test_what_may_be_had_is_what_was_asked_for() -> None:
    with FileServer() as server, httpx2.Client() as client:
        ask_server(client, f"{server.url}/nothing", accept="text/plain", limit=100)

    assert server.requests[0].headers["accept"] == "text/plain"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(body=b"x" * 101), "sends too much"),
        (Reply(body=b"x" * 50, cut_after=10), "cannot be used: "),
        (Reply.redirect("http://\x1b[31m/"), "cannot be used: "),
        (Reply.redirect("file:///etc/passwd"), "cannot be used: "),
        (Reply.redirect("/again"), "cannot be used: more than 10 redirects"),
    ],
)
def test_no_answer_is_an_error_of_one_line_that_names_the_server(reply: Reply, words: str) -> None:
    haste = RetryPolicy(tries=1)
    with (
        FileServer({"/": lambda _: reply}) as server,
        httpx2.Client() as client,
        pytest.raises(ModelPullError) as caught,
    ):
        ask_server(client, f"{server.url}/again", limit=100, retry_policy=haste)

    assert f"127.0.0.1:{server.port} {words}" in str(caught.value)
    assert str(caught.value).isprintable()
