"""Send requests through the SDK, and read the answers without it, in bounded pieces.

The SDK sends a request and turns a refusal into an exception. It would read an answer of any size
into the memory, and of an event stream it drops all that is not an event, such as the words of a
server that fails.
"""

import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, cast

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.bounds import LONGEST_EVENT, AnswerRefused
from ramalama_values.json import parse_json

if TYPE_CHECKING:
    from openai import OpenAI

LONGEST_ANSWER = LONGEST_EVENT
"""Bytes of an answer that is read as a whole: many models' list, a long text as one object."""


def post(client: "OpenAI", path: str, body: Mapping[str, object]) -> httpx2.Response:
    """Send *body*, and return the response once its head has come; the caller must close it."""
    # The SDK returns the response itself if that is the type to cast to.
    response = client.post(
        path, cast_to=httpx2.Response, body=body, stream=True, stream_cls=openai.Stream[object]
    )
    return cast("httpx2.Response", response)


def get_json(client: "OpenAI", path: str, *, timeout: float | None = None) -> object:
    """Return the JSON value at *path* of the API; *timeout* is for all of it, in seconds.

    Raises:
        ValueError: the answer is not JSON.

    """
    response = client.get(
        path,
        cast_to=httpx2.Response,
        stream=True,
        stream_cls=openai.Stream[object],
        options={} if timeout is None else {"timeout": timeout},
    )
    with closing(cast("httpx2.Response", response)) as answer:
        return parse_json(read_whole(answer.iter_raw(), timeout=timeout))


def read_whole(pieces: Iterable[bytes], *, timeout: float | None = None) -> bytes:
    """Join the *pieces* of an answer; *timeout* is in seconds.

    Raises:
        AnswerRefused: the answer is longer than `LONGEST_ANSWER`.
        httpx2.ReadTimeout: the time is over; a server may send a byte a second.

    """
    content, began = bytearray(), time.monotonic()
    for piece in pieces:
        content += piece
        if len(content) > LONGEST_ANSWER:
            msg = f"sent an answer of more than {LONGEST_ANSWER:,} bytes"
            raise AnswerRefused(msg)
        if timeout is not None and time.monotonic() - began > timeout:
            msg = "the answer does not end"
            raise httpx2.ReadTimeout(msg)
    return bytes(content)
