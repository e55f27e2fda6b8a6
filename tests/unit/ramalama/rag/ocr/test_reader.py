"""A picture is sent to a server of the OpenAI API, and the answer is read with care."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from ramalama.rag.documents.limits import Unreadable
from ramalama.rag.ocr.reader import ServerReader
from ramalama.rag.values import OcrInfo
from ramalama_chat.client.remote import open_remote
from ramalama_chat.errors import ChatError
from tests.doubles.server import FileServer, Reply

if TYPE_CHECKING:
    from collections.abc import Generator

PATH = "/v1/chat/completions"


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer({}) as server:
        yield server


def read(server: FileServer, picture: bytes = b"\x89PNG", *, seconds: float = 5.0) -> str:
    client = open_remote(server.url)
    try:
        reader = ServerReader(client, model="eye", info=OcrInfo(model="eye"), seconds=seconds)
        return reader.read(picture)
    finally:
        client.close()


def says(server: FileServer, text: object) -> None:
    answer = {"choices": [{"message": {"role": "assistant", "content": text}}]}
    server.routes[PATH] = lambda _: Reply.of_json(answer)


@pytest.mark.parametrize(
    ("picture", "kind"), [(b"\x89PNG and more", "png"), (b"\xff\xd8\xff and more", "jpeg")]
)
def test_a_picture_is_sent_with_a_question_that_has_one_answer(
    server: FileServer, picture: bytes, kind: str
) -> None:
    says(server, " What it\nsays. \n")

    assert read(server, picture) == "What it\nsays."
    (asked,) = server.asked(PATH)
    body = json.loads(asked.body)
    (message,) = body["messages"]
    assert message["role"] == "user"
    assert message["content"][1]["image_url"] == {
        "url": f"data:image/{kind};base64,{b64encode(picture).decode()}"
    }
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0, 0, 4096)


def test_a_very_long_answer_is_cut(server: FileServer) -> None:
    says(server, "x" * 100_000)

    assert len(read(server)) == 40_000


@pytest.mark.parametrize("answer", [{}, {"choices": []}, {"choices": [{"message": 3}]}, [1]])
def test_an_answer_without_text_is_a_reason(server: FileServer, answer: object) -> None:
    server.routes[PATH] = lambda _: Reply.of_json(answer)

    with pytest.raises(Unreadable, match="got no answer from the model"):
        read(server)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b'{"choices":[{"message":{"content":"\xff\xfe"}}]}',
        b"[" * 200_000,
        b'{"choices":' + b"9" * 900_000 + b"}",
    ],
)
def test_an_answer_that_is_no_json_is_a_failure_of_the_server(
    server: FileServer, answer: bytes
) -> None:
    server.routes[PATH] = lambda _: Reply(body=answer)

    with pytest.raises(ChatError, match="not JSON"):
        read(server)


def test_a_refusal_is_a_reason(server: FileServer) -> None:
    refusal = {"error": {"message": "failed to decode image"}}
    server.routes[PATH] = lambda _: Reply.of_json(refusal, status=400)

    with pytest.raises(Unreadable, match=r"was refused by the model's server: .*to decode image"):
        read(server)
    assert len(server.asked(PATH)) == 1


def test_an_answer_that_does_not_end_is_given_up(server: FileServer) -> None:
    server.routes[PATH] = lambda _: Reply(body=b"x" * 2_000_000)

    with pytest.raises(ChatError, match="more than"):
        read(server)
