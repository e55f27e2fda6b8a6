"""A chat session of either color with the scripted server, driven in the same words."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ramalama_chat import (
    Answer,
    AsyncAnswer,
    AsyncChatSession,
    ChatSession,
    UnixEndpoint,
    open_async_client,
    open_client,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

T = TypeVar("T")


@dataclass(frozen=True)
class Chat:
    """A *session*; its asynchronous answers are read by *runner*."""

    session: ChatSession | AsyncChatSession
    runner: asyncio.Runner

    def read(self, answer: Answer[T] | AsyncAnswer[T]) -> str:
        return answer.read() if isinstance(answer, Answer) else self.runner.run(answer.read())

    def begin(self, answer: Answer[T] | AsyncAnswer[T]) -> None:
        if isinstance(answer, Answer):
            answer.begin()
        else:
            self.runner.run(answer.begin())

    def first(self, answer: Answer[T] | AsyncAnswer[T]) -> str:
        return next(answer) if isinstance(answer, Answer) else self.runner.run(_first(answer))

    def close(self, answer: Answer[T] | AsyncAnswer[T]) -> None:
        if isinstance(answer, Answer):
            answer.close()
        else:
            self.runner.run(answer.aclose())

    def rest(self, answer: Answer[T] | AsyncAnswer[T]) -> Sequence[str]:
        return list(answer) if isinstance(answer, Answer) else self.runner.run(_rest(answer))


@contextmanager
def chatting(path: str, *, asynchronous: bool) -> Generator[Chat]:
    endpoint = UnixEndpoint(path)
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        if asynchronous:
            client = open_async_client(endpoint)
            stack.callback(lambda: runner.run(client.close()))
            yield Chat(AsyncChatSession(client, model="smollm2"), runner)
        else:
            with open_client(endpoint) as plain:
                yield Chat(ChatSession(plain, model="smollm2"), runner)


async def _first(answer: AsyncAnswer[T]) -> str:
    return await anext(answer)


async def _rest(answer: AsyncAnswer[T]) -> Sequence[str]:
    return [piece async for piece in answer]
