"""The same conversation as `ChatSession`, for asyncio."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar, overload

from ramalama_chat.client._openai import openai
from ramalama_chat.client.failures import answer_errors
from ramalama_chat.errors import ServerGone
from ramalama_chat.session.answer import AsyncAnswer
from ramalama_chat.session.question import AskOptions, read_question
from ramalama_chat.session.session import LOADING, BaseSession
from ramalama_chat.session.stream import open_stream_async
from ramalama_chat.session.turn import Turn

if TYPE_CHECKING:
    from typing import Unpack

    import httpx2

    from ramalama_chat.session.tool_loop import ToolLoop
    from ramalama_chat.tools.calls import ToolCall

T = TypeVar("T")


class AsyncChatSession(BaseSession):
    """A conversation with the model that the server of *client* calls *model*.

    It is the same as `ChatSession`, but never blocks the event loop.
    """

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        *,
        model: str,
        system: str | None = None,
        opening: Sequence[tuple[str, str]] = (),
        stop: Sequence[str] = (),
    ) -> None:
        super().__init__(model=model, system=system, opening=opening, stop=stop)
        self._client = client

    @overload
    def ask(
        self, prompt: str, *, schema: None = None, **options: "Unpack[AskOptions]"
    ) -> AsyncAnswer[None]: ...

    @overload
    def ask(
        self, prompt: str, *, schema: type[T], **options: "Unpack[AskOptions]"
    ) -> AsyncAnswer[T]: ...

    @overload
    def ask(
        self, prompt: str, *, schema: Mapping[str, object], **options: "Unpack[AskOptions]"
    ) -> AsyncAnswer[object]: ...

    def ask(  # noqa: PLR0913 - as for `ChatSession`
        self,
        prompt: str,
        *,
        images: Sequence[str] = (),
        on_reasoning: Callable[[str], None] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        timeout: float | None = None,
        stop: str | Sequence[str] | None = None,
        schema: type[object] | Mapping[str, object] | None = None,
        tools: Sequence[Callable[..., object]] | None = None,
    ) -> AsyncAnswer[object]:
        """Return the answer to *prompt*, for ``async for``; see `ChatSession.ask`.

        *tools* may be coroutine functions; others run in a thread.
        """
        options = AskOptions(
            max_tokens=max_tokens, temperature=temperature, timeout=timeout, stop=stop
        )
        options.update(AskOptions(images=images, on_reasoning=on_reasoning, tools=tools))
        question = read_question(prompt, schema, coroutines=True, **options)
        turn = self._ask(question)
        return AsyncAnswer(turn, self._pieces(turn))

    async def context_size(self) -> int | None:
        """Ask the server how many tokens its context holds; None if it does not say."""
        from ramalama_chat.client.context_size import (  # noqa: PLC0415 - rarely needed
            ask_context_size_async,
        )

        return (await ask_context_size_async(self._client, self._model)).holds

    async def _pieces(self, turn: Turn) -> AsyncGenerator[str, None]:
        """Yield "" once the server has accepted the first request, then the texts."""
        with turn.answering():
            self._turn = turn
            question = turn.question
            sent = await _within(turn, self._look_up(question.prompt))
            messages = self.conversation.messages(sent, question.images)
            turn.ask(messages, self._members(question), tools := question.tools or self.tools)
            while turn.asks:
                try:
                    async with aclosing(self._request(turn)) as pieces:
                        async for piece in pieces:
                            yield piece
                except ServerGone:
                    if not (self.repeats and turn.may_repeat()):
                        raise
                    self.on_repeat()
                for call in turn.calls:
                    turn.add(call, await _within(turn, _call(tools, call)) if tools else "")

    async def _look_up(self, prompt: str) -> str:
        """Set `finding`, and return what is sent instead of *prompt*."""
        self.finding = None
        if self.knowledge is None or not self.looks_up:
            return prompt
        if not self._room_asked:
            self._room, self._room_asked = await self.context_size(), True
        look_up = self.knowledge.look_up
        self.finding = await asyncio.to_thread(look_up, prompt, self._earlier(), self._room)
        return self.finding.prompt

    async def _request(self, turn: Turn) -> AsyncGenerator[str, None]:
        try:
            with answer_errors():
                opening = open_stream_async(
                    self._client,
                    turn.request(),
                    on_loading=lambda: turn.wait_for(LOADING),
                    limit=turn.left(),
                )
                response = await _within(turn, opening)
            async with aclosing(_received(response)) as pieces:
                for each in turn.accept():
                    yield each
                while piece := await _within(turn, anext(pieces, b"")):
                    for text in turn.feed(piece):
                        yield text
                    if turn.complete:
                        break
            for text in turn.end():
                yield text
        finally:
            turn.wait_for("")


async def _call(tools: "ToolLoop", call: "ToolCall") -> str:
    from ramalama_chat.tools.functions import FunctionTools  # noqa: PLC0415 - only with tools

    if not isinstance(tools.toolbox, FunctionTools):
        return await asyncio.to_thread(tools.result, call)
    found = tools.find(call)
    return found if isinstance(found, str) else await tools.toolbox.acall(*found)


async def _received(response: "httpx2.Response") -> AsyncGenerator[bytes, None]:
    with answer_errors():
        async with aclosing(response):
            async for piece in response.aiter_raw():
                if piece:
                    yield piece


async def _within(turn: Turn, awaitable: Awaitable[T]) -> T:
    """Wait for *awaitable* while there is time for the answer."""
    left = turn.left()
    if left is None:
        return await awaitable
    try:
        async with asyncio.timeout(left):
            return await awaitable
    except TimeoutError as exc:
        raise turn.timed_out() from exc
