"""What only the asynchronous session does."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from ramalama_chat import AsyncChatSession, SessionBusy, UnixEndpoint, open_async_client
from tests.unit.chat.scripted_server import Script, endless, event, stream, words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from openai import AsyncOpenAI


def with_client(tmp_path: Path, work: Callable[[AsyncOpenAI], Awaitable[None]]) -> None:
    async def run() -> None:
        async with open_async_client(UnixEndpoint(str(tmp_path / "s.sock"))) as client:
            await work(client)

    asyncio.run(run())


def chat(tmp_path: Path, work: Callable[[AsyncChatSession], Awaitable[None]]) -> None:
    with_client(tmp_path, lambda client: work(AsyncChatSession(client, model="smollm2")))


def test_cancelling_the_task_frees_the_server_and_keeps_what_came(
    script: Script, tmp_path: Path
) -> None:
    script.add(endless("ha"), words("Bye."))

    async def work(session: AsyncChatSession) -> None:
        answer = session.ask("Laugh")
        await anext(answer)
        task = asyncio.create_task(answer.read())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await asyncio.to_thread(script.client_left.wait, 10)
        assert session.conversation.exchanges[0].answer == answer.text
        assert await session.ask("Bye").read() == "Bye."

    chat(tmp_path, work)


def test_a_session_is_free_at_once_after_a_break(script: Script, tmp_path: Path) -> None:
    script.add(endless("ha"), words("Bye."))

    async def work(session: AsyncChatSession) -> None:
        async for _ in session.ask("Laugh"):
            break
        assert await session.ask("Bye").read() == "Bye."
        assert await asyncio.to_thread(script.client_left.wait, 10)

    chat(tmp_path, work)


def test_the_end_of_a_block_closes_the_answer(script: Script, tmp_path: Path) -> None:
    script.add(endless("ha"))

    async def work(session: AsyncChatSession) -> None:
        async with session.ask("Laugh") as answer:
            assert await anext(answer) == "ha"
            with pytest.raises(SessionBusy):
                session.ask("Hi")
        assert await asyncio.to_thread(script.client_left.wait, 10)
        assert [piece async for piece in answer] == []

    chat(tmp_path, work)


def test_answers_come_side_by_side_in_one_loop_and_no_thread_is_started(
    script: Script, tmp_path: Path
) -> None:
    script.add(*[words("Hel", "lo")] * 9)

    async def work(client: AsyncOpenAI) -> None:
        await (
            AsyncChatSession(client, model="m").ask("Hi").read()
        )  # the SDK looks at its platform in a thread, once
        before = {each for each in threading.enumerate() if each.name.startswith("asyncio")}
        sessions = [AsyncChatSession(client, model="m") for _ in range(8)]
        texts = await asyncio.gather(*(each.ask("Hi").read() for each in sessions))
        assert texts == ["Hello"] * 8
        after = {each for each in threading.enumerate() if each.name.startswith("asyncio")}
        assert after == before

    with_client(tmp_path, work)


def test_tools_may_be_coroutine_functions(script: Script, tmp_path: Path) -> None:
    call = {"id": "c1", "function": {"name": "look_up", "arguments": '{"word": "whale"}'}}
    script.add(stream(event(None, tool_calls=[call]), event(None, finish="tool_calls")), words("!"))
    loops: list[asyncio.AbstractEventLoop] = []

    async def look_up(word: str) -> dict[str, int]:
        """Look up a word."""
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        return {word: 1}

    async def work(session: AsyncChatSession) -> None:
        await session.ask("Whales?", tools=[look_up]).read()
        assert loops == [asyncio.get_running_loop()]

    chat(tmp_path, work)
    messages = script.requests[1].body["messages"]
    assert isinstance(messages, list)
    assert messages[-1]["content"] == '{"whale":1}'


def test_cancelling_while_a_tool_runs_cancels_the_tool(script: Script, tmp_path: Path) -> None:
    call = {"id": "c1", "function": {"name": "wait", "arguments": "{}"}}
    script.add(stream(event(None, tool_calls=[call]), event(None, finish="tool_calls")))
    told: list[str] = []

    async def work(session: AsyncChatSession) -> None:
        waiting = asyncio.Event()

        async def wait() -> None:
            """Wait for ever."""
            try:
                waiting.set()
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                told.append("cancelled")
                raise

        task = asyncio.create_task(session.ask("Wait", tools=[wait]).read())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    chat(tmp_path, work)
    assert told == ["cancelled"]


def test_a_timeout_ends_a_tool_too(script: Script, tmp_path: Path) -> None:
    call = {"id": "c1", "function": {"name": "wait", "arguments": "{}"}}
    script.add(stream(event(None, tool_calls=[call]), event(None, finish="tool_calls")))

    async def wait() -> None:
        """Wait for ever."""
        await asyncio.sleep(60)

    async def work(session: AsyncChatSession) -> None:
        with pytest.raises(TimeoutError):
            await session.ask("Wait", tools=[wait], timeout=0.2).read()

    chat(tmp_path, work)
