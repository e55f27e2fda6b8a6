"""Errors about a server that uses another protocol, or sends nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from ramalama_chat import (
    ChatError,
    ChatSession,
    ContextExceeded,
    RequestFailed,
    ServerGone,
    ServerSilent,
    TcpEndpoint,
    UnixEndpoint,
    chat_errors,
    open_async_client,
    open_client,
)
from ramalama_chat.client.remote import choose_model
from tests.unit.chat.scripted_server import Script, answer_json, event, refusal, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    import openai
    from openai.types.chat import ChatCompletionMessageParam


@contextmanager
def answering(answer: bytes) -> Generator[openai.OpenAI]:
    """Serve *answer* once on a port of this machine, and close the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):  # the client leaves when it has seen enough
                connection.recv(65536)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        with open_client(TcpEndpoint("127.0.0.1", listener.getsockname()[1])) as client:
            yield client
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", id="ssh"),
        pytest.param(b"SSH-2.0-x\r\nInvalid SSH identification string.\r\n\r\n", id="ssh-says-no"),
        pytest.param(b"\x15\x03\x03\0\x02\x02\x50", id="tls-alert"),
        pytest.param(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80", id="http-2"),
        pytest.param(b"220 mail.example ESMTP\r\n", id="smtp"),
        pytest.param(bytes(range(256)) * 10, id="garbage"),
        pytest.param(b"a" * 200_000, id="a-line-without-an-end"),
        pytest.param(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", id="a-broken-header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nConte", id="half-a-header"),
    ],
)
def test_a_server_of_another_protocol_is_reported(answer: bytes) -> None:
    with answering(answer) as client, pytest.raises(ServerGone) as asked:
        list(ChatSession(client, model="smollm2").ask("Hi"))
    with answering(answer) as client, pytest.raises(ServerGone) as listed:
        choose_model(client, None)

    line = (
        "the server closed the connection, or sent data that is not HTTP; "
        "is it a model server, and is the URL's scheme right?"
    )
    assert (str(asked.value), str(listed.value)) == (line, line)


HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
FULL = {"message": "too long", "n_prompt_tokens": 9, "n_ctx": 8}


def use(path: Path, *, streaming: bool) -> None:
    """Ask as a program does that uses the SDK by itself."""
    with open_client(UnixEndpoint(str(path)), timeout=0.3) as client, chat_errors():
        if streaming:
            list(client.chat.completions.create(model="m", messages=HI, stream=True))
        else:
            client.chat.completions.create(model="m", messages=HI)


def use_async(path: Path, *, streaming: bool) -> None:
    async def ask() -> None:
        async with open_async_client(UnixEndpoint(str(path)), timeout=0.3) as client:
            with chat_errors():
                if streaming:
                    chunks = await client.chat.completions.create(
                        model="m", messages=HI, stream=True
                    )
                    _ = [chunk async for chunk in chunks]
                else:
                    await client.chat.completions.create(model="m", messages=HI)

    asyncio.run(ask())


class Mute:
    """Sends nothing for a while."""

    def __iter__(self) -> Iterator[bytes]:
        time.sleep(0.6)
        yield b""


MUTE = Mute()


@pytest.mark.parametrize("ask", [use, use_async])
@pytest.mark.parametrize(
    ("answer", "streaming", "kind", "why"),
    [
        (refusal(400, json.dumps({"error": FULL})), False, ContextExceeded, "takes 9 tokens"),
        (stream(event("He"), {"error": FULL}), True, ContextExceeded, "takes 9 tokens"),
        (
            stream(event("He"), {"error": {"message": "slot failed"}}),
            True,
            RequestFailed,
            "failed in the middle of its answer: slot failed",
        ),
        (stream(event("He"), end=b"", whole=False), True, ServerGone, "went away"),
        ([b""], False, ServerGone, "went away"),
        (MUTE, False, ServerSilent, "stopped answering"),
        (answer_json(b"{oops"), False, ChatError, "not JSON"),
    ],
)
def test_what_the_sdk_raises_becomes_an_error_of_the_chat(  # noqa: PLR0913, PLR0917 - a row each
    script: Script,
    tmp_path: Path,
    ask: Callable[..., None],
    answer: Iterable[bytes],
    streaming: bool,  # noqa: FBT001 - a value of the row
    kind: type[ChatError],
    why: str,
) -> None:
    script.add(answer)

    with pytest.raises(kind, match=why):
        ask(tmp_path / "s.sock", streaming=streaming)


def test_errors_of_the_program_itself_pass_unchanged() -> None:
    with pytest.raises(ValueError, match="invalid literal"), chat_errors():
        int("many")
