"""What a server sends is bounded for those who use the SDK's client, too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import openai
import pytest

from ramalama_chat import UnixEndpoint, open_async_client, open_client
from ramalama_chat.client.bounds import LONGEST_EVENT, AnswerRefused
from tests.unit.chat.scripted_server import Script, chunk, event, refusal, stream

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from openai.types.chat import ChatCompletionMessageParam

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def endpoint(tmp_path: Path) -> UnixEndpoint:
    return UnixEndpoint(str(tmp_path / "s.sock"))


def ask(endpoint: UnixEndpoint) -> list[str | None]:
    with open_client(endpoint) as client:
        chunks = client.chat.completions.create(model="m", messages=ASKED, stream=True)
        return [each.choices[0].delta.content for each in chunks]


async def ask_async(endpoint: UnixEndpoint) -> list[str | None]:
    async with open_async_client(endpoint) as client:
        chunks = await client.chat.completions.create(model="m", messages=ASKED, stream=True)
        return [each.choices[0].delta.content async for each in chunks]


def ask_twice(endpoint: UnixEndpoint, answers: Iterable[bytes], script: Script) -> list[object]:
    """Return the causes of the errors of both clients."""
    script.add(answers, answers)
    with pytest.raises(openai.APIConnectionError) as caught:
        ask(endpoint)
    with pytest.raises(openai.APIConnectionError) as caught_async:
        asyncio.run(ask_async(endpoint))
    return [caught.value.__cause__, caught_async.value.__cause__]


def test_compression_is_refused(script: Script, endpoint: UnixEndpoint) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"

    for cause in ask_twice(endpoint, [head], script):
        assert isinstance(cause, AnswerRefused)
        assert "compressed" in str(cause)
    assert {asked.headers["accept-encoding"] for asked in script.requests} == {"identity"}


@pytest.mark.parametrize("piece", [b"a" * 65536, b"data: a\n" * 8192], ids=["line", "lines"])
def test_an_event_without_end_is_refused(
    script: Script, endpoint: UnixEndpoint, piece: bytes
) -> None:
    answer = [*stream(end=b"", whole=False), *[chunk(piece)] * (LONGEST_EVENT // len(piece) + 1)]

    for cause in ask_twice(endpoint, answer, script):
        assert isinstance(cause, AnswerRefused)
        assert "an event of more than 2,097,152 bytes" in str(cause)


def test_many_events_may_be_longer_than_one(script: Script, endpoint: UnixEndpoint) -> None:
    events = [event("a" * 100_000)] * 30
    script.add(stream(*events), stream(*events))

    assert ask(endpoint) == asyncio.run(ask_async(endpoint)) == ["a" * 100_000] * 30


def test_a_refusal_is_cut_off(script: Script, endpoint: UnixEndpoint) -> None:
    script.add(refusal(500, "oops " * 100_000))

    with open_client(endpoint) as client, pytest.raises(openai.InternalServerError) as caught:
        client.post("/echo", cast_to=object, body={})

    assert 60_000 < len(caught.value.response.content) < 200_000


def test_the_charset_of_a_refusal_is_not_believed(script: Script, endpoint: UnixEndpoint) -> None:
    content = "Größe".encode()
    head = (
        b"HTTP/1.1 500 No\r\nContent-Type: text/plain; charset=utf-7\r\nContent-Length: 7\r\n\r\n"
    )
    script.add([head, content])

    with open_client(endpoint) as client, pytest.raises(openai.InternalServerError) as caught:
        client.post("/echo", cast_to=object, body={})

    assert caught.value.body == "Größe"
