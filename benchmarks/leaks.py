"""Serve, ask and close, over and over in one process: what is left of it afterwards.

Run ``python -m benchmarks.leaks --engine podman`` from the repository's root, as root: it starts an
engine of its own. 100 servers one after the other, 20 at the same time and that 5 times, 200 tasks
that are cancelled at random moments, all with one handle; after each part containers, directories,
threads and file descriptors are counted against those before it, and memory is measured. Then the
handle is closed, and what there is is counted against the time before its first use. All but the
memory must be zero.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import ramalama
from ramalama import Config, Ramalama
from ramalama_engines import InvokingUser
from tests.integration.cli import ROOTFUL, Cli, user_of
from tests.lab import assets
from tests.lab.certificates import make_certificate
from tests.lab.dockerd import docker_daemon
from tests.lab.network import private_network
from tests.lab.podman import rootful_podman
from tests.lab.scratch import scratch_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_STARTERS: Final = {"podman": rootful_podman, "docker": docker_daemon}
_SETTLED: Final = 2.0  # seconds within which threads of the engines' connections have ended
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Holdings:
    """What this process has, here and on the engine."""

    containers: int
    directories: int
    threads: int
    descriptors: int
    memory: float
    """MiB that are resident."""


def main(words: Sequence[str] | None = None) -> int:
    """Measure, and return 1 if anything was left."""
    arguments = _parser().parse_args(words)
    with ExitStack() as stack:
        lab = stack.enter_context(scratch_directory())
        ca_file = make_certificate(lab / "certificate").ca_file
        start = _STARTERS[arguments.engine]
        service = stack.enter_context(
            start(lab / "engine", network=private_network("l"), ca_file=ca_file)
        )
        assets.ensure_image(service)
        cli = stack.enter_context(user_of(service, lab))
        user = InvokingUser(env=cli.env, home=cli.home, uid=os.getuid())
        handle = stack.enter_context(Ramalama(Config(image=assets.IMAGE), user=user))
        trial = _Trial(cli, handle, str(assets.model()), random.Random(arguments.seed))  # noqa: S311 (moments)
        return trial.run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ROOTFUL, default="podman")
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--batches", type=int, default=5, help="of so many at once")
    parser.add_argument("--cancels", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    return parser


@dataclass(frozen=True, slots=True)
class _Trial:
    cli: Cli
    handle: Ramalama
    model: str
    chance: random.Random

    def run(self, arguments: argparse.Namespace) -> int:
        unused = self.holdings()
        # What is imported once is no leak, nor are the few connections that the handle keeps.
        self.at_once(arguments.at_once)
        asyncio.run(self.use())
        began = time.monotonic()
        self.cycle()
        whole = time.monotonic() - began
        cycles, at_once, cancels = arguments.cycles, arguments.at_once, arguments.cancels
        left = [
            self.part(f"{cycles} servers in a row", lambda: self.in_a_row(cycles)),
            *(
                self.part(f"{at_once} at once, batch {number}", lambda: self.at_once(at_once))
                for number in range(1, arguments.batches + 1)
            ),
            self.part(
                f"{cancels} cancelled within {1.2 * whole:.2f} s",
                lambda: asyncio.run(self.cancelled(cancels, whole)),
            ),
        ]
        self.handle.close()
        left.append(self.tell("handle closed", since=unused))
        return int(any(left))

    def part(self, name: str, work: Callable[[], None]) -> bool:
        before = self.holdings()
        work()
        return self.tell(name, since=before)

    def tell(self, name: str, *, since: Holdings) -> bool:
        """Print what there is more than *since*, once threads and sockets had time to end."""
        deadline = time.monotonic() + _SETTLED
        while (leaks := self.leaks(since)) and time.monotonic() < deadline:
            time.sleep(0.05)
        now = self.holdings()
        growth = now.memory - since.memory
        print(
            f"{self.cli.service.kind}: {name}: left {leaks or 'nothing'}"
            f" ({now.descriptors} descriptors); {growth:+.1f} MiB",
            flush=True,
        )
        return bool(leaks)

    def leaks(self, before: Holdings) -> dict[str, int]:
        after = self.holdings()
        counted = ("containers", "directories", "threads", "descriptors")
        grown = {name: getattr(after, name) - getattr(before, name) for name in counted}
        return {name: count for name, count in grown.items() if count > 0}

    def holdings(self) -> Holdings:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return Holdings(
            containers=len(self.cli.containers()),
            directories=len([*self.cli.run_dir.glob("*")]),
            threads=threading.active_count(),
            descriptors=len([*Path("/proc/self/fd").iterdir()]),
            memory=pages * os.sysconf("SC_PAGE_SIZE") / _MIB,
        )

    def in_a_row(self, count: int) -> None:
        for _ in range(count):
            self.cycle()

    def at_once(self, count: int) -> None:
        with ThreadPoolExecutor(count) as pool:
            for done in [pool.submit(self.cycle, seed) for seed in range(count)]:
                done.result()

    def cycle(self, seed: int = 0) -> None:
        with ramalama.serve(self.model, using=self.handle, ctx_size=256, seed=seed) as server:
            server.client().chat.completions.create(
                model=server.model, messages=[{"role": "user", "content": "Hi"}], max_tokens=2
            )

    async def use(self) -> None:
        async with ramalama.aserve(self.model, using=self.handle, ctx_size=256) as server:
            await server.async_client().chat.completions.create(
                model=server.model, messages=[{"role": "user", "content": "Hi"}], max_tokens=2
            )

    async def cancelled(self, count: int, whole: float) -> None:
        for _ in range(count):
            task = asyncio.create_task(self.use())
            await asyncio.sleep(self.chance.uniform(0, 1.2 * whole))
            task.cancel()
            await asyncio.wait((task,))


if __name__ == "__main__":
    sys.exit(main())
