"""Whatever a container puts in the place of its socket, nothing else is connected to."""

import asyncio
import os
import socket
from collections.abc import Callable, Generator
from pathlib import Path

import openai
import pytest

from ramalama.serving.health import probe
from ramalama_chat import UnixEndpoint, open_async_client, open_client
from ramalama_chat.client.endpoint import checked_socket


@pytest.fixture
def private(tmp_path: Path) -> Generator[socket.socket]:
    """A socket of the user's own, which is not the server's."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "private.sock"))
        listener.listen()
        listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
        yield listener


@pytest.fixture
def endpoint(tmp_path: Path) -> UnixEndpoint:
    (tmp_path / "server").mkdir()
    return UnixEndpoint(str(tmp_path / "server/api.sock"))


def absolute(path: Path) -> None:
    path.symlink_to(path.parent.parent / "private.sock")


def relative(path: Path) -> None:
    path.symlink_to("../private.sock")


def chain(path: Path) -> None:
    path.with_name("next").symlink_to("../private.sock")
    path.symlink_to("next")


def file(path: Path) -> None:
    path.touch()


def directory(path: Path) -> None:
    path.mkdir()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def nothing(_path: Path) -> None:
    """Leave the place empty."""


REPLACEMENTS = (absolute, relative, chain, file, directory, fifo, nothing)


def ask(endpoint: UnixEndpoint) -> None:
    with open_client(endpoint, timeout=0.5) as client, pytest.raises(openai.APIConnectionError):
        client.models.list()


def ask_asynchronously(endpoint: UnixEndpoint) -> None:
    async def call() -> None:
        async with open_async_client(endpoint, timeout=0.5) as client:
            with pytest.raises(openai.APIConnectionError):
                await client.models.list()

    asyncio.run(call())


def ask_for_health(endpoint: UnixEndpoint) -> None:
    assert probe(endpoint, "/health") is None


@pytest.mark.parametrize("replace", REPLACEMENTS)
@pytest.mark.parametrize("call", [ask, ask_asynchronously, ask_for_health])
def test_only_a_socket_in_the_place_itself_is_connected_to(
    private: socket.socket,
    endpoint: UnixEndpoint,
    replace: Callable[[Path], None],
    call: Callable[[UnixEndpoint], None],
) -> None:
    replace(Path(endpoint.path))

    call(endpoint)

    with pytest.raises(BlockingIOError):
        private.accept()


def test_a_socket_that_is_replaced_after_it_was_checked_is_still_the_one_that_was_checked(
    private: socket.socket, endpoint: UnixEndpoint
) -> None:
    path = Path(endpoint.path)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(endpoint.path)
        listener.listen()
        with checked_socket(endpoint.path) as checked:
            path.unlink()
            relative(path)
            client.connect(checked)
        listener.accept()[0].close()

    with pytest.raises(BlockingIOError):
        private.accept()


def test_where_no_descriptor_can_be_named_the_place_is_checked_before(
    endpoint: UnixEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_PATH")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(endpoint.path)

        with checked_socket(endpoint.path) as checked:
            assert checked == endpoint.path

        Path(endpoint.path).unlink()
        relative(Path(endpoint.path))
        with pytest.raises(OSError, match="on non-socket"), checked_socket(endpoint.path):
            pass
