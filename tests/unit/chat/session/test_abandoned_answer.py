"""An answer that a program forgets: the garbage collector ends it."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from ramalama_chat import ChatSession, TcpEndpoint, open_client
from tests.doubles.openai_server import MODEL, OpenAiServer, said, streamed

if TYPE_CHECKING:
    import openai
    import pytest


def forget_an_answer(client: openai.OpenAI) -> None:
    """Leave an answer in the middle, in a circle that reference counts do not free."""
    answer = ChatSession(client, model=MODEL).ask("Hi")
    next(answer)
    circle: list[object] = [answer]
    circle.append(circle)


def test_an_answer_that_is_forgotten_in_a_circle_ends_without_an_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ignored: list[sys.UnraisableHookArgs] = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    with (
        OpenAiServer(streamed(said("one"), stall=True)) as server,
        open_client(TcpEndpoint("127.0.0.1", server.port)) as client,
    ):
        forget_an_answer(client)
        gc.collect()

    assert ignored == []
