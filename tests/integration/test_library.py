"""`import ramalama` in services: real models on real engines, and nothing left of them."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

import ramalama
from ramalama import Config, Ramalama
from ramalama_chat import TcpEndpoint
from ramalama_engines import InvokingUser
from tests.integration.cli import EVERYWHERE, PATIENCE, ROOTFUL, Cli, eventually, user_of
from tests.lab.assets import IMAGE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.service import EngineService

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

CYCLES: Final = 8  # more than there can be idle connections: one lost per cycle is seen
IDLE: Final = 4
AT_ONCE: Final = 6
BATCHES: Final = 2
CANCELS: Final = 15
FORKS: Final = 10

_KEEPS: Final = """
import sys
import ramalama
from ramalama import Config, Ramalama
with Ramalama(Config(image=sys.argv[2], ngl=0)) as handle:
    with ramalama.serve(sys.argv[1], using=handle, ctx_size=256, reuse=True) as server:
        print(server.name, flush=True)
        sys.stdin.read()
"""

# Each child ends in another way; the parent asks the server in between, on connections that the
# children have, too.
_FORKS: Final = """
import os, signal, sys
import ramalama
from ramalama import Config, Ramalama

def ask(server):
    answer = server.client().chat.completions.create(
        model=server.model, messages=[{"role": "user", "content": "Hello!"}], max_tokens=2
    )
    return answer.choices[0].finish_reason

def end(way):
    signal.alarm(60)
    if way == 0:
        server.close()
        handle.close()
    elif way == 1:
        assert ask(server)
    elif way == 2:
        assert [each.name for each in handle.servers()] == [server.name]
    elif way == 3:
        raise SystemExit(0)

parent = os.getpid()
with Ramalama(Config(image=sys.argv[2], ngl=0)) as handle:
    with ramalama.serve(sys.argv[1], using=handle, ctx_size=256) as server:
        for number in range(int(sys.argv[3])):
            pid = os.fork()
            if pid == 0:
                end(number % 5)
                break
            assert os.waitpid(pid, 0)[1] == 0, number
            assert ask(server), number
            assert handle.servers(), number
if os.getpid() == parent:
    print(server.name)
"""


def handle_of(cli: Cli) -> Ramalama:
    """Make a handle for a user of an engine, as a service of theirs would."""
    user = InvokingUser(env=cli.env, home=cli.home, uid=os.getuid())
    return Ramalama(Config(image=IMAGE, ngl=0), user=user)


@pytest.fixture
def handle(cli: Cli) -> Generator[Ramalama]:
    with handle_of(cli) as made:
        yield made


def ask(server: ramalama.ModelServer) -> str:
    answer = server.client().chat.completions.create(
        model=server.model, messages=[{"role": "user", "content": "Hello!"}], max_tokens=4
    )
    return answer.choices[0].message.content or ""


async def aask(server: ramalama.ModelServer) -> str:
    answer = await server.async_client().chat.completions.create(
        model=server.model, messages=[{"role": "user", "content": "Hello!"}], max_tokens=4
    )
    return answer.choices[0].message.content or ""


@contextmanager
def another_user(cli: Cli, model: Path) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Have another process use a server, whose name it tells."""
    words = [sys.executable, "-c", _KEEPS, str(model), IMAGE]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=cli.env, text=True
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a count)


def is_clean(cli: Cli) -> bool:
    return not cli.containers() and not [*cli.run_dir.glob("*")]


def test_a_model_answers_in_a_block(cli: Cli, handle: Ramalama, model: Path) -> None:
    with ramalama.serve(str(model), using=handle, ctx_size=256) as server:
        assert ask(server)
        assert "".join(server.chat().ask("Hello!"))

    assert is_clean(cli)


def test_a_model_answers_in_an_asynchronous_block(cli: Cli, handle: Ramalama, model: Path) -> None:
    async def main() -> str:
        async with ramalama.aserve(str(model), using=handle, ctx_size=256) as server:
            return await aask(server)

    assert asyncio.run(main())
    assert is_clean(cli)


def test_a_server_says_how_it_is_and_counts_tokens(cli: Cli, handle: Ramalama, model: Path) -> None:
    messages = [{"role": "user", "content": "Hello!"}]
    with ramalama.start(model, using=handle, ctx_size=512, parallel=2) as server:
        ask(server)
        health, metrics = server.health(), server.metrics()
        answer = server.client().chat.completions.create(
            model=server.model,
            messages=[{"role": "user", "content": "Hello!"}],
            max_tokens=1,
        )
        assert answer.usage is not None
        assert server.count_tokens(messages) == answer.usage.prompt_tokens
        assert server.count_tokens("Hello!") < server.count_tokens(messages)

    assert (health.ready, health.busy, health.slots, health.queued) == (True, 0, 2, 0)
    assert (health.tokens_per_second or 0) > 0
    assert metrics["llamacpp:tokens_predicted_total"] > 0
    assert is_clean(cli)


def test_a_chat_and_questions_in_asyncio(cli: Cli, handle: Ramalama, model: Path) -> None:
    async def main() -> None:
        async with await ramalama.astart(
            model, using=handle, ctx_size=512, network="bridge"
        ) as server:
            assert "".join([piece async for piece in server.achat().ask("Hello!")])
            assert (await server.ahealth()).ready
            assert await server.acount_tokens("Hello!")
            assert [line async for line in handle.alogs(server.name)]
            endpoint = server.endpoint
            assert isinstance(endpoint, TcpEndpoint)
            async with await ramalama.aconnect(
                f"http://{endpoint}", api_key=endpoint.api_key
            ) as elsewhere:
                assert elsewhere.model == server.model
                assert (await elsewhere.ahealth()).busy == 0

    asyncio.run(main())
    assert is_clean(cli)


def test_texts_become_vectors_in_both_colors(cli: Cli, handle: Ramalama, embedder: Path) -> None:
    with ramalama.start(embedder, using=handle, embeddings=True) as server:
        first, second, third = server.embed(["a dog", "a puppy", "the stock exchange"])
        assert asyncio.run(server.aembed(["a dog"])) == [first]

    def likeness(other: list[float]) -> float:
        return sum(one * another for one, another in zip(first, other, strict=True))

    assert likeness(second) > likeness(third)
    assert is_clean(cli)


def test_a_key_of_the_callers_is_asked_for(cli: Cli, handle: Ramalama, model: Path) -> None:
    with ramalama.serve(
        str(model), using=handle, ctx_size=256, network="bridge", api_key="open-sesame"
    ) as server:
        assert ask(server)
        (container,) = cli.containers()
        assert "open-sesame" not in str(container)
        assert "open-sesame" not in repr(server.plan)


def test_the_second_user_of_a_plan_attaches_over_a_network_too(
    cli: Cli, handle: Ramalama, model: Path
) -> None:
    with (
        handle_of(cli) as other,
        ramalama.serve(
            str(model), using=handle, ctx_size=256, network="bridge", reuse=True
        ) as first,
        ramalama.serve(
            str(model), using=other, ctx_size=256, network="bridge", reuse=True
        ) as second,
    ):
        assert second.name == first.name
        assert second.endpoint == first.endpoint
        first.close()
        assert ask(second)

    assert is_clean(cli)


def test_a_server_outlives_the_process_that_started_it_while_another_uses_it(
    cli: Cli, handle: Ramalama, model: Path
) -> None:
    with (
        another_user(cli, model) as (process, name),
        ramalama.serve(str(model), using=handle, ctx_size=256, reuse=True) as server,
    ):
        assert server.name == name
        process.send_signal(signal.SIGKILL)
        process.wait()
        cli.run("ps")
        assert ask(server)

    assert is_clean(cli)


def test_what_a_killed_user_leaves_the_next_command_removes(cli: Cli, model: Path) -> None:
    with another_user(cli, model) as (process, _):
        process.send_signal(signal.SIGKILL)
        process.wait()
    cli.run("ps")

    assert is_clean(cli)


def test_a_detached_server_is_found_by_name_from_another_handle(
    cli: Cli, handle: Ramalama, model: Path
) -> None:
    with ramalama.serve(str(model), using=handle, ctx_size=256) as server:
        server.detach()
        name = server.name
    cli.run("ps")
    with handle_of(cli) as other:
        with other.attach(name) as found:
            assert ask(found)
        assert [*other.logs(name)]
        other.stop(name)

    assert is_clean(cli)


def test_cycle_after_cycle_nothing_grows(cli: Cli, handle: Ramalama, model: Path) -> None:
    def cycle() -> tuple[int, int]:
        with ramalama.serve(str(model), using=handle, ctx_size=256) as server:
            assert ask(server)
        gc.collect()
        eventually(lambda: threading.active_count() == threads)
        return threading.active_count(), descriptors()

    threads = threading.active_count()
    cycle()
    first = cycle()
    rest = [cycle() for _ in range(CYCLES)]

    assert {threads for threads, _ in rest} == {first[0]}
    # The engine's adapter keeps one idle connection for each call that ever ran beside others.
    assert max(descriptors for _, descriptors in rest) <= first[1] + IDLE - 1
    assert is_clean(cli)


def test_batch_after_batch_at_once_nothing_grows_and_a_closed_handle_keeps_nothing(
    cli: Cli, handle: Ramalama, model: Path
) -> None:
    all_serve = threading.Barrier(AT_ONCE, timeout=PATIENCE)

    def use(seed: int) -> str:
        with ramalama.serve(str(model), using=handle, ctx_size=256, seed=seed) as server:
            all_serve.wait()
            return ask(server)

    def batch() -> int:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            assert all(pool.map(use, range(AT_ONCE)))
        gc.collect()
        eventually(lambda: threading.active_count() <= threads)
        assert is_clean(cli)
        return descriptors()

    threads, unused = threading.active_count(), descriptors()
    first = batch()
    rest = [batch() for _ in range(BATCHES)]
    handle.close()

    assert max(rest) <= first
    assert descriptors() <= unused


def test_several_threads_have_servers_of_their_own_at_once(
    cli: Cli, handle: Ramalama, model: Path
) -> None:
    answers: list[str] = []

    def use(seed: int) -> None:
        with ramalama.serve(str(model), using=handle, ctx_size=256, seed=seed) as server:
            answers.append(ask(server))

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == AT_ONCE
    assert all(answers)
    assert is_clean(cli)


def test_tasks_cancelled_at_random_moments_leave_nothing(
    cli: Cli, handle: Ramalama, model: Path
) -> None:
    chance = random.Random(7)  # noqa: S311 (moments, not secrets)

    async def use() -> None:
        async with ramalama.aserve(str(model), using=handle, ctx_size=256) as server:
            await aask(server)

    async def main() -> None:
        for _ in range(CANCELS):
            task = asyncio.create_task(use())
            await asyncio.sleep(chance.uniform(0, 1.2))
            task.cancel()
            await asyncio.wait((task,))
            assert is_clean(cli)

    threads = threading.active_count()
    asyncio.run(main())
    eventually(lambda: threading.active_count() <= threads)


@pytest.mark.parametrize("engine", [name for name in EVERYWHERE if name not in ROOTFUL])
def test_a_rootless_engine_serves_detached_models_too(
    request: pytest.FixtureRequest, lab: Path, model: Path, engine: str
) -> None:
    service: EngineService = request.getfixturevalue(f"{engine}_service")
    with user_of(service, lab) as cli:
        started = cli.run("serve", "--detach", "--quiet", "--ctx-size=256", str(model))
        again = cli.run("serve", "--detach", "--reuse", "--quiet", "--ctx-size=256", str(model))
        stopped = cli.run("stop", started.out.strip())

        assert (started.code, again.out, stopped.code) == (0, started.out, 0)
        assert is_clean(cli)


def test_forked_processes_leave_the_server_to_their_parent(cli: Cli, model: Path) -> None:
    words = [sys.executable, "-W", "ignore", "-c", _FORKS, str(model), IMAGE, str(FORKS)]
    done = subprocess.run(words, env=cli.env, capture_output=True, check=False, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert (cli.containers(), cli.leftovers()) == ([], [])
