"""What the library's clients cost a program with many streams, against bare httpx2.

One server answers, with a slot for each stream. Each contender asks 1, 8 and 32 questions at once,
and reads the answers: sync ones with a thread for each, async ones with a task for each.

* httpx2, httpx2 async: the floors: `Client.stream` and `iter_lines`, each ``data:`` line through
  `json.loads`.
* client(), async_client(): the OpenAI SDK as its documentation has it. It makes an object of every
  event, which costs more than httpx2 does; no client of it can do without.
* chat(), achat(): conversations.

The time to the first token is the median over the streams of a round, the processor's time that of
this process for each stream. At the end, short questions through each of the four, and how many of
them failed: a healthy server fails none.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import httpx2

import ramalama
from benchmarks.rounds import report
from ramalama import Ramalama
from ramalama_chat import UnixEndpoint
from ramalama_engines import EngineKind, InvokingUser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from benchmarks.rounds import Times
    from ramalama import ModelServer

_STREAMS: Final = (1, 8, 32)
_TOKENS: Final = 24
_PROMPT: Final = "Tell me about the sea."
_MEMBERS: Final = {"temperature": 0, "max_tokens": _TOKENS}
_GOAL: Final = 1.1
_REQUESTS: Final = 5000
_AT_ONCE: Final = 8
_SYNC, _ASYNC = "httpx2", "httpx2 async"


class _Asking:
    """One server, and six ways to ask it for the pieces of an answer."""

    def __init__(self, server: ModelServer, stack: ExitStack) -> None:
        if not isinstance(server.endpoint, UnixEndpoint):
            sys.exit("the server has a network")
        self._server = server
        self._path = server.endpoint.path
        self._url = f"{server.endpoint.base_url}/chat/completions"
        transport = httpx2.HTTPTransport(uds=self._path)
        self._http = stack.enter_context(
            httpx2.Client(transport=transport, trust_env=False, timeout=None)
        )
        self._async_http: httpx2.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        transport = httpx2.AsyncHTTPTransport(uds=self._path)
        self._async_http = httpx2.AsyncClient(transport=transport, trust_env=False, timeout=None)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._async_http is not None:
            await self._async_http.aclose()

    def by_httpx2(self) -> Iterator[str]:
        """Ask with no more than an HTTP client."""
        with self._http.stream("POST", self._url, json=self._body) as answer:
            for line in answer.iter_lines():
                if piece := _piece(line):
                    yield piece

    async def by_httpx2_async(self) -> AsyncIterator[str]:
        """Do the same in asyncio."""
        if self._async_http is None:
            return
        async with self._async_http.stream("POST", self._url, json=self._body) as answer:
            async for line in answer.aiter_lines():
                if piece := _piece(line):
                    yield piece

    def by_client(self, tokens: int = _TOKENS) -> Iterator[str]:
        """Ask as the SDK's documentation does."""
        with self._server.client().chat.completions.create(
            model=self._server.model,
            messages=[{"role": "user", "content": _PROMPT}],
            stream=True,
            temperature=0,
            max_tokens=tokens,
        ) as chunks:
            for chunk in chunks:
                if chunk.choices and (text := chunk.choices[0].delta.content):
                    yield text

    async def by_async_client(self, tokens: int = _TOKENS) -> AsyncIterator[str]:
        """Do the same in asyncio."""
        async with await self._server.async_client().chat.completions.create(
            model=self._server.model,
            messages=[{"role": "user", "content": _PROMPT}],
            stream=True,
            temperature=0,
            max_tokens=tokens,
        ) as chunks:
            async for chunk in chunks:
                if chunk.choices and (text := chunk.choices[0].delta.content):
                    yield text

    def by_chat(self, tokens: int = _TOKENS) -> Iterator[str]:
        """Ask as the library's users do."""
        yield from self._server.chat().ask(_PROMPT, temperature=0, max_tokens=tokens)

    async def by_achat(self, tokens: int = _TOKENS) -> AsyncIterator[str]:
        """Do the same in asyncio."""
        async with self._server.achat().ask(_PROMPT, temperature=0, max_tokens=tokens) as answer:
            async for piece in answer:
                yield piece

    @property
    def _body(self) -> Mapping[str, object]:
        messages = [{"role": "user", "content": _PROMPT}]
        return {**_MEMBERS, "model": self._server.model, "messages": messages, "stream": True}


class _Measured:
    """The times of one contender, in milliseconds."""

    def __init__(self) -> None:
        self.first: list[float] = []
        self.processor: list[float] = []

    def add(self, firsts: Sequence[float], processor: float) -> None:
        self.first.append(statistics.median(firsts) * 1000)
        self.processor.append(processor / len(firsts) * 1000)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 if a request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", type=EngineKind, required=True)
    parser.add_argument("--socket", required=True, help="path of the engine's socket")
    parser.add_argument("--model", required=True, help="path of a GGUF file")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=_REQUESTS)
    arguments = parser.parse_args(words)
    variable = "CONTAINER_HOST" if arguments.engine is EngineKind.PODMAN else "DOCKER_HOST"
    env = {**os.environ, variable: f"unix://{arguments.socket}"}
    user = InvokingUser(env=env, home=Path.home(), uid=os.getuid())
    most = max(_STREAMS)
    with (
        Ramalama(user=user) as handle,
        ramalama.serve(arguments.model, using=handle, parallel=most, ctx_size=256 * most) as server,
        ExitStack() as stack,
    ):
        asking = _Asking(server, stack)
        for streams in _STREAMS:
            asyncio.run(_compare(asking, streams, arguments.rounds))
        return asyncio.run(_count_errors(asking, arguments.requests))


async def _compare(asking: _Asking, streams: int, rounds: int) -> None:
    """Print how the contenders compare for so many streams at once."""
    measured = {
        name: _Measured()
        for name in (_SYNC, "client()", "chat()", _ASYNC, "async_client()", "achat()")
    }
    in_threads: dict[str, Callable[[], Iterator[str]]] = {
        _SYNC: asking.by_httpx2,
        "client()": asking.by_client,
        "chat()": asking.by_chat,
    }
    in_tasks: dict[str, Callable[[], AsyncIterator[str]]] = {
        _ASYNC: asking.by_httpx2_async,
        "async_client()": asking.by_async_client,
        "achat()": asking.by_achat,
    }
    async with asking:
        with ThreadPoolExecutor(streams) as pool:
            for turn in range(rounds + 1):  # the first warms up
                for name, ask in in_threads.items():
                    began = time.process_time()
                    firsts = [*pool.map(_first, [ask] * streams)]
                    if turn:
                        measured[name].add(firsts, time.process_time() - began)
                for name, ask_async in in_tasks.items():
                    began = time.process_time()
                    asked = (_first_async(ask_async) for _ in range(streams))
                    firsts = await asyncio.gather(*asked)
                    if turn:
                        measured[name].add(firsts, time.process_time() - began)
    for floor, names in ((_SYNC, in_threads), (_ASYNC, in_tasks)):
        _tell(f"{streams} streams, first token", {n: measured[n].first for n in names}, floor)
        _tell(
            f"{streams} streams, processor for each",
            {n: measured[n].processor for n in names},
            floor,
        )


def _tell(title: str, times: Times, floor: str) -> None:
    print(f"{title} (goal {_GOAL}):")
    report(times, floor)


def _first(ask: Callable[[], Iterator[str]]) -> float:
    """Read an answer to its end, and return how long its first piece took, in seconds."""
    began = time.perf_counter()
    first = 0.0
    for _ in ask():
        first = first or time.perf_counter() - began
    return first


async def _first_async(ask: Callable[[], AsyncIterator[str]]) -> float:
    began = time.perf_counter()
    first = 0.0
    async for _ in ask():
        first = first or time.perf_counter() - began
    return first


async def _count_errors(asking: _Asking, requests: int) -> int:
    """Ask short questions in each of four ways, and print how many failed."""
    failed: dict[str, list[BaseException]] = {}
    each = requests // 4
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for name, ask in {"client()": asking.by_client, "chat()": asking.by_chat}.items():
            done = [pool.submit(_read, ask) for _ in range(each)]
            failed[name] = [exc for one in done if (exc := one.exception()) is not None]
    room = asyncio.Semaphore(_AT_ONCE)

    async def read(ask: Callable[[int], AsyncIterator[str]]) -> None:
        async with room:
            async for _ in ask(1):
                pass

    ways = {"async_client()": asking.by_async_client, "achat()": asking.by_achat}
    for name, ask_async in ways.items():
        answers = await asyncio.gather(
            *(read(ask_async) for _ in range(each)), return_exceptions=True
        )
        failed[name] = [exc for exc in answers if exc is not None]
    for name, errors in failed.items():
        print(f"{name}: {len(errors)} of {each} requests failed {[*map(repr, errors[:3])]}")
    return int(any(failed.values()))


def _read(ask: Callable[[int], Iterator[str]]) -> None:
    for _ in ask(1):
        pass


def _piece(line: str) -> str | None:
    """Return the text that a line of an event stream adds, if any."""
    if not line.startswith("data: {"):
        return None
    choices = json.loads(line.removeprefix("data: "))["choices"]
    text: str | None = choices[0]["delta"].get("content") if choices else None
    return text


if __name__ == "__main__":
    sys.exit(main())
