"""A service under load for a quarter of an hour, whose server dies twice meanwhile.

Run ``python -m benchmarks.soak`` from the repository's root, as root: it starts an engine of its
own. 32 clients, half of them threads and half of them tasks, ask one server that is started again
when it dies (`Restarts`): chats in both colours, plain and streamed requests of both OpenAI
clients, answers that are closed or cancelled in their middle, prompts that are too long, and too
little time. Every request must end: whole, cancelled, or in a typed error, and soon enough. After
a minute the memory of this process must hardly grow any more.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import ramalama
from ramalama import Config, Ramalama, RamalamaError, Restarts
from ramalama_engines import InvokingUser
from tests.integration.cli import ROOTFUL, Cli, user_of
from tests.lab import assets
from tests.lab.certificates import make_certificate
from tests.lab.dockerd import docker_daemon
from tests.lab.network import private_network
from tests.lab.podman import rootful_podman
from tests.lab.scratch import scratch_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from ramalama import ModelServer
    from ramalama.events import Event

_STARTERS: Final = {"podman": rootful_podman, "docker": docker_daemon}
_SECONDS: Final = 15 * 60
_CLIENTS: Final = 32
_SLOTS: Final = 8
_CONTEXT: Final = 512  # tokens for each
_LONGEST: Final = 60.0  # seconds; a request that takes longer hangs
_SETTLED: Final = 60.0  # seconds, after which the memory is compared
# Each death makes many requests fail at once, and what they took stays allotted.
_MOST_GROWTH: Final = 1.1
_PROMPTS: Final = ("Tell me about the sea.", "Count to ten.", "Why is the sky blue?")
_TOO_LONG: Final = "sea " * 2 * _CONTEXT
_WAYS: Final = ("chat", "closed", "too long", "no time", "client", "embed")


def main(words: Sequence[str] | None = None) -> int:
    """Soak, and return 1 if a request hung or failed as it should not, or memory grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ROOTFUL, default="podman")
    parser.add_argument("--seconds", type=float, default=_SECONDS)
    parser.add_argument("--clients", type=int, default=_CLIENTS)
    parser.add_argument("--deaths", type=int, default=2)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    arguments = parser.parse_args(words)
    with ExitStack() as stack:
        lab = stack.enter_context(scratch_directory())
        ca_file = make_certificate(lab / "certificate").ca_file
        service = stack.enter_context(
            _STARTERS[arguments.engine](
                lab / "engine", network=private_network("k"), ca_file=ca_file
            )
        )
        assets.ensure_image(service)
        cli = stack.enter_context(user_of(service, lab))
        user = InvokingUser(env=cli.env, home=cli.home, uid=os.getuid())
        handle = stack.enter_context(Ramalama(Config(image=assets.IMAGE), user=user))
        return _soak(cli, handle, arguments)


def _soak(cli: Cli, handle: Ramalama, arguments: argparse.Namespace) -> int:
    events: list[Event] = []
    with ramalama.serve(
        str(assets.model()),
        using=handle,
        parallel=_SLOTS,
        ctx_size=_SLOTS * _CONTEXT,
        restart=Restarts(),
        on_event=events.append,
    ) as server:
        load = _Load(server, until=time.monotonic() + arguments.seconds, seed=arguments.seed)
        half = arguments.clients // 2
        threads = [threading.Thread(target=load.ask, args=(each,)) for each in range(half)]
        threads.append(threading.Thread(target=load.ask_in_loop, args=(arguments.clients - half,)))
        for thread in threads:
            thread.start()
        memory = load.watch(lambda: cli.engine("kill", server.name), arguments.deaths)
        for thread in threads:
            thread.join()
        restarts = server.restarts
    load.tell()
    print(f"{restarts} restarts; memory {' '.join(f'{each:.0f}' for each in memory)} MiB")
    grown = len(memory) > 1 and memory[-1] > _MOST_GROWTH * memory[0]
    left = cli.leftovers()
    print(f"left: {left or 'nothing'}")
    return int(bool(load.wrong) or grown or restarts != arguments.deaths or bool(left))


class _Load:
    """What the clients ask, and what became of it."""

    def __init__(self, server: ModelServer, *, until: float, seed: int) -> None:
        self.wrong: list[str] = []
        self._server = server
        self._began = time.monotonic()
        self._until = until
        self._seed = seed
        self._ends: Counter[str] = Counter()
        self._longest = 0.0

    def ask(self, number: int) -> None:
        """Ask in this thread until the time is over."""
        chance = random.Random(self._seed + number)  # noqa: S311 (what to ask)
        while (began := time.monotonic()) < self._until:
            way, prompt = chance.choice(_WAYS), chance.choice(_PROMPTS)
            try:
                self._note(way, self._ask(way, prompt, chance), began)
            except Exception as exc:  # noqa: BLE001 (whatever it is, it is counted)
                self._failed(way, exc, began)

    def ask_in_loop(self, clients: int) -> None:
        """Ask with so many tasks of one event loop."""

        async def run() -> None:
            try:
                await asyncio.gather(*(self._ask_in_task(1000 + each) for each in range(clients)))
            finally:
                await self._server.close_async_client()

        asyncio.run(run())

    def watch(self, kill: Callable[[], object], deaths: int) -> list[float]:
        """Kill the server so many times, and return the memory once a minute, from the second."""
        length = self._until - self._began
        moments = [self._began + length * (each + 1) / (deaths + 1) for each in range(deaths)]
        memory: list[float] = []
        next_look = self._began + min(_SETTLED, length / 4)
        while (now := time.monotonic()) < self._until:
            if moments and now >= moments[0]:
                moments.pop(0)
                kill()
            if now >= next_look:
                memory.append(_resident())
                next_look += min(_SETTLED, length / 4)
            time.sleep(0.5)
        memory.append(_resident())
        return memory

    def tell(self) -> None:
        """Print how the requests have ended."""
        for end, times in sorted(self._ends.items()):
            print(f"{times:7} {end}")
        print(f"{sum(self._ends.values())} requests, the longest took {self._longest:.1f} s")
        for each in self.wrong[:20]:
            print(f"WRONG: {each}")

    def _ask(self, way: str, prompt: str, chance: random.Random) -> str:
        chat = self._server.chat()
        match way:
            case "chat":
                answer = chat.ask(prompt, max_tokens=16)
                answer.read()
                return answer.finish_reason or "NONE"
            case "closed":
                with chat.ask(prompt, max_tokens=200) as answer:
                    for _ in zip(answer, range(chance.randrange(8)), strict=False):
                        pass
                return "closed"
            case "too long":
                return f"ANSWERED: {chat.ask(_TOO_LONG).read()!r}"
            case "no time":
                chat.ask(prompt, timeout=0.02, max_tokens=400).read()
            case "client":
                with ramalama.chat_errors():
                    self._server.client().chat.completions.create(
                        model=self._server.model,
                        messages=[{"role": "user", "content": prompt}],
                        max_tokens=8,
                    )
            case _:
                return f"{len(self._server.embed([prompt]))} VECTORS"
        return "whole"

    async def _ask_in_task(self, number: int) -> None:
        chance = random.Random(self._seed + number)  # noqa: S311 (what to ask)
        while (began := time.monotonic()) < self._until:
            way, prompt = chance.choice((*_WAYS, "cancelled")), chance.choice(_PROMPTS)
            try:
                self._note(f"a {way}", await self._aask(way, prompt, chance), began)
            except Exception as exc:  # noqa: BLE001 (whatever it is, it is counted)
                self._failed(f"a {way}", exc, began)

    async def _aask(self, way: str, prompt: str, chance: random.Random) -> str:
        chat = self._server.achat()
        match way:
            case "chat":
                answer = chat.ask(prompt, max_tokens=16)
                await answer.read()
                return answer.finish_reason or "NONE"
            case "closed":
                async with chat.ask(prompt, max_tokens=200) as answer:
                    left = chance.randrange(8)
                    async for _ in answer:
                        left -= 1
                        if left < 0:
                            break
                return "closed"
            case "cancelled":
                return await _cancel(chat.ask(prompt, max_tokens=200).read(), chance.uniform(0, 1))
            case "too long":
                return f"ANSWERED: {await chat.ask(_TOO_LONG).read()!r}"
            case "no time":
                await chat.ask(prompt, timeout=0.02, max_tokens=400).read()
            case "client":
                with ramalama.chat_errors():
                    await self._server.async_client().chat.completions.create(
                        model=self._server.model,
                        messages=[{"role": "user", "content": prompt}],
                        max_tokens=8,
                    )
            case _:
                return f"{len(await self._server.aembed([prompt]))} VECTORS"
        return "whole"

    def _note(self, way: str, end: str, began: float) -> None:
        self._ends[f"{way}: {end}"] += 1
        self._measure(way, end, began)
        if end != end.lower():
            self.wrong.append(f"{way}: {end}")

    def _failed(self, way: str, exc: Exception, began: float) -> None:
        self._ends[f"{way}: {type(exc).__name__}"] += 1
        self._measure(way, type(exc).__name__, began)
        if not isinstance(exc, RamalamaError):
            self.wrong.append(f"{way}: {exc!r}")

    def _measure(self, way: str, end: str, began: float) -> None:
        took = time.monotonic() - began
        self._longest = max(took, self._longest)
        if took > _LONGEST:
            self.wrong.append(f"{way} took {took:.0f} s: {end}")


async def _cancel(reading: Coroutine[object, object, str], seconds: float) -> str:
    """Cancel the task that reads an answer after so many seconds."""
    task = asyncio.create_task(reading)
    await asyncio.wait((task,), timeout=seconds)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    return "whole"


def _resident() -> float:
    """Return MiB of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1024 * 1024)


if __name__ == "__main__":
    sys.exit(main())
