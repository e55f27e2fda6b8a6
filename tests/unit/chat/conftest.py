from collections.abc import Generator
from pathlib import Path

import pytest

from ramalama_chat import ChatSession, UnixEndpoint, open_client
from tests.unit.chat.both import Chat, chatting
from tests.unit.chat.scripted_server import Script, serving


@pytest.fixture
def script(tmp_path: Path) -> Generator[Script]:
    played = Script()
    with serving(tmp_path / "s.sock", played):
        yield played


@pytest.fixture
def session(tmp_path: Path) -> Generator[ChatSession]:
    """A session with the scripted server; without `script`, there is no server."""
    with open_client(UnixEndpoint(str(tmp_path / "s.sock"))) as client:
        yield ChatSession(client, model="smollm2", system="Be brief.")


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def chat(tmp_path: Path, request: pytest.FixtureRequest) -> Generator[Chat]:
    """The same, in both colors."""
    with chatting(str(tmp_path / "s.sock"), asynchronous=bool(request.param)) as opened:
        yield opened
