"""Errors about a server that uses another protocol, or sends nothing."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from ramalama_chat import ChatSession, ServerGone, TcpEndpoint, open_client
from ramalama_chat.client.remote import choose_model

if TYPE_CHECKING:
    from collections.abc import Generator

    import openai


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
