import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import openai
import pytest

from ramalama_chat import TcpEndpoint, UnixEndpoint, open_async_client, open_client
from tests.unit.chat.scripted_server import Script, refusal, words

ALLOWED = {
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
}


@pytest.fixture
def endpoint(tmp_path: Path) -> UnixEndpoint:
    return UnixEndpoint(str(tmp_path / "s.sock"))


def ask_for_models(endpoint: UnixEndpoint) -> None:
    with open_client(endpoint) as client, pytest.raises(openai.NotFoundError):
        client.post("/echo", cast_to=object, body={})


def test_a_server_learns_nothing_that_is_meant_for_openai(
    script: Script, endpoint: UnixEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gate: secret\nAuthorization: Bearer sk-secret")
    script.add(refusal(404, ""))

    ask_for_models(endpoint)

    assert script.requests[0].headers.keys() <= ALLOWED
    assert "secret" not in repr(script.requests[0])


@pytest.mark.parametrize("name", ["OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS"])
def test_a_variable_that_no_header_carries_does_no_harm(
    script: Script, endpoint: UnixEndpoint, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "X-Gate: schl\N{LATIN SMALL LETTER U WITH DIAERESIS}ssel")
    script.add(refusal(404, ""))

    ask_for_models(endpoint)

    assert len(script.requests) == 1


def test_no_proxy_stands_between_us_and_our_own_server(
    script: Script, endpoint: UnixEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    script.add(refusal(404, ""))

    ask_for_models(endpoint)

    assert len(script.requests) == 1


def test_a_key_is_sent_and_never_shown() -> None:
    endpoint = TcpEndpoint("127.0.0.1", 8080, "swordfish")

    with open_client(endpoint) as client:
        assert client.api_key == "swordfish"
    assert "swordfish" not in repr(endpoint)
    assert "swordfish" not in str(endpoint)


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (UnixEndpoint("/run/user/1000/r/s.sock"), "http://localhost/v1"),
        (TcpEndpoint("127.0.0.1", 8080), "http://127.0.0.1:8080/v1"),
        (TcpEndpoint("::1", 8080), "http://[::1]:8080/v1"),
    ],
)
def test_an_endpoint_has_a_base_url(endpoint: UnixEndpoint | TcpEndpoint, url: str) -> None:
    assert endpoint.base_url == url


def test_the_asynchronous_client_streams_over_the_socket_too(
    script: Script, endpoint: UnixEndpoint
) -> None:
    script.add(words("Hel", "lo"))

    async def ask() -> list[str | None]:
        async with open_async_client(endpoint) as client:
            chunks = await client.chat.completions.create(
                model="smollm2", messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            return [chunk.choices[0].delta.content async for chunk in chunks]

    assert asyncio.run(ask()) == ["Hel", "lo", None]
    assert script.requests[0].headers.keys() <= ALLOWED


def test_the_whole_sdk_works_on_the_client(script: Script, endpoint: UnixEndpoint) -> None:
    script.add(words("Hel", "lo"))

    with open_client(endpoint) as client:
        chunks = client.chat.completions.create(
            model="smollm2", messages=[{"role": "user", "content": "Hi"}], stream=True
        )

        assert [chunk.choices[0].delta.content for chunk in chunks] == ["Hel", "lo", None]


def list_models(endpoint: TcpEndpoint) -> None:
    with open_client(endpoint, timeout=0.1) as client:
        client.models.list()


def list_models_with_asyncio(endpoint: TcpEndpoint) -> None:
    async def ask() -> None:
        async with open_async_client(endpoint, timeout=0.1) as client:
            await client.models.list()

    asyncio.run(ask())


@pytest.mark.parametrize("ask", [list_models, list_models_with_asyncio])
def test_a_server_whose_host_has_vanished_is_noticed_within_ten_seconds(
    ask: Callable[[TcpEndpoint], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[tuple[int, int], object] = {}
    ordinary = socket.socket.setsockopt

    def note(end: socket.socket, level: int, name: int, value: int) -> None:
        options[level, name] = value
        ordinary(end, level, name, value)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = TcpEndpoint("127.0.0.1", listener.getsockname()[1])
        monkeypatch.setattr(socket.socket, "setsockopt", note)
        with pytest.raises(openai.APITimeoutError):
            ask(endpoint)

    assert options[socket.SOL_SOCKET, socket.SO_KEEPALIVE] == 1
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert options[socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT] == 9_000  # milliseconds
        assert options[socket.IPPROTO_TCP, socket.TCP_KEEPIDLE] == 3
