"""`ramalama.serve` and `ramalama.aserve`: a model for the length of a block."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVarTuple

import pytest

import ramalama
from ramalama.api.keywords import ServeKeywords, ServerKeywords, StartKeywords
from ramalama.config.config import Config
from ramalama.config.options import ServeOptions
from ramalama.errors import OptionRefused, ServerExited, StartCancelled
from ramalama.events import ContainerCreated, ContainerStarted, Event, ServerReady
from ramalama.serving.request import StartRequest
from ramalama.system.threads import in_thread
from ramalama_engines import InvokingUser
from ramalama_engines.fake.engine import FakeProgram
from tests.unit.ramalama.serving.model_server import LOADING
from tests.unit.ramalama.serving.servers import IMAGE_NAME, ServerFixture

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextvars import Context

CANCELS = 60

Ts = TypeVarTuple("Ts")


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    with ServerFixture(root=run_dir) as made:
        yield made


@pytest.fixture
def threads_before() -> frozenset[threading.Thread]:
    """Threads that other tests have left."""
    return frozenset(threading.enumerate())


def join_our_threads(before: frozenset[threading.Thread]) -> None:
    """Wait until all have ended that the library has started; the test's time limit is theirs."""
    for thread in threading.enumerate():
        if thread.name.startswith("ramalama-") and thread not in before:
            thread.join()


def test_the_keywords_are_the_fields_that_they_stand_for() -> None:
    options, request = ServeOptions.__dataclass_fields__, StartRequest.__dataclass_fields__

    assert {*ServerKeywords.__annotations__} == options.keys() - {"model"}
    assert {*StartKeywords.__annotations__} == request.keys() - {"options"}


def test_a_model_is_served_for_the_length_of_the_block(servers: ServerFixture) -> None:
    heard: list[Event] = []
    with ramalama.serve(
        str(servers.model), using=servers.ramalama(), ctx_size=4096, on_event=heard.append
    ) as server:
        argv = servers.engine.spec(server.name).command
        assert argv[argv.index("--ctx-size") + 1] == "4096"
        assert isinstance(heard[-1], ServerReady)

    assert servers.is_clean()


SETTINGS = Config(
    image=IMAGE_NAME, ctx_size=512, temp=0.5, ngl=7, env=("A=b", "C"), oci_runtime="crun"
)


def test_what_a_caller_does_not_say_the_settings_decide(servers: ServerFixture) -> None:
    servers.config, servers.env = SETTINGS, {"C": "d"}
    keywords = ServeKeywords(ctx_size=4096, env={"E": "f"})
    with ramalama.serve(str(servers.model), using=servers.ramalama(), **keywords) as server:
        spec = servers.engine.spec(server.name)

    argv = spec.command
    assert [argv[argv.index(name) + 1] for name in ("--ctx-size", "--temp")] == ["4096", "0.5"]
    assert {"A": "b", "C": "d", "E": "f"}.items() <= spec.env.items()
    assert spec.oci_runtime == "crun"


def test_a_handle_without_settings_reads_what_the_command_reads(tmp_path: Path) -> None:
    (tmp_path / "ramalama.conf").write_text("[ramalama]\ntemp = 0.5\nno_such_key = 1\n")
    env = {"RAMALAMA_CONFIG": f"{tmp_path}/ramalama.conf", "RAMALAMA_IMAGE": "mine:1"}
    user = InvokingUser(env=env, home=tmp_path, uid=os.getuid())

    with ramalama.Ramalama(user=user) as read, ramalama.Ramalama(Config(), user=user) as given:
        assert (read.config.temp, read.config.image) == (0.5, "mine:1")
        assert given.config == Config()


def test_settings_are_loaded_in_one_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAMALAMA_CONFIG", f"{tmp_path}/ramalama.conf")
    monkeypatch.setenv("RAMALAMA_IMAGE", "mine:1")
    (tmp_path / "ramalama.conf").write_text("[ramalama]\ntemp = 0.5\n")

    loaded = Config.load()

    assert (loaded.temp, loaded.image) == (0.5, "mine:1")
    assert loaded.source("image") == "RAMALAMA_IMAGE"


def test_a_file_may_be_a_path_and_then_is_no_name_of_a_registry(
    servers: ServerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(servers.model.parent)

    with ramalama.serve(Path(servers.model.name), using=servers.ramalama()) as server:
        assert server.model == "granite"


@pytest.mark.parametrize(
    ("keyword", "hint"),
    [
        ("ctxsize", "; did you mean 'ctx_size'?"),
        ("keepalive", "; did you mean 'keep_alive'?"),
        ("model_name", "; see ServeOptions and Ramalama.start"),
    ],
)
def test_an_option_that_is_none_names_the_nearest(
    servers: ServerFixture, keyword: str, hint: str
) -> None:
    mistyped: dict[str, int] = {keyword: 1}

    with pytest.raises(TypeError) as caught:  # noqa: SIM117 (the block is what must not begin)
        with ramalama.serve(str(servers.model), using=servers.ramalama(), **mistyped):  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
            pass

    assert str(caught.value) == f"there is no option {keyword!r}{hint}"
    assert servers.is_clean()


def test_a_handle_of_the_callers_stays_open(servers: ServerFixture) -> None:
    with ramalama.serve(servers.options.model, using=servers.ramalama()):
        pass

    assert servers.engine.list({}) == ()


def test_a_key_is_only_for_servers_that_can_be_reached_over_a_network(
    servers: ServerFixture,
) -> None:
    with (
        pytest.raises(OptionRefused, match="require a network"),
        ramalama.serve(str(servers.model), using=servers.ramalama(), api_key="secret"),
    ):
        pass


@pytest.mark.parametrize("key", ["", "a b", "a\nb", "é", "x" * 513])
def test_a_key_that_no_header_can_carry_is_refused_and_not_repeated(
    servers: ServerFixture, key: str
) -> None:
    with (
        pytest.raises(OptionRefused, match="the API key is not") as caught,
        ramalama.serve(str(servers.model), using=servers.ramalama(), network="bridge", api_key=key),
    ):
        pass

    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "", "256.0.0.1", "\0", "0x7f.1"])
def test_a_host_that_is_no_address_is_refused(servers: ServerFixture, host: str) -> None:
    with (
        pytest.raises(OptionRefused, match=r"is not an IP address|host is a text, not"),
        ramalama.serve(str(servers.model), using=servers.ramalama(), network="bridge", host=host),
    ):
        pass


def test_an_asynchronous_block_has_a_server_too(servers: ServerFixture) -> None:
    async def main() -> str:
        async with ramalama.aserve(str(servers.model), using=servers.ramalama()) as server:
            assert server.async_client() is server.async_client()
            return server.model

    assert asyncio.run(main()) == "granite"
    assert servers.is_clean()


def test_a_start_that_fails_raises_what_it_would_elsewhere(run_dir: Path) -> None:
    servers = ServerFixture(root=run_dir, program=FakeProgram(exit_code=1))

    async def main() -> None:
        async with ramalama.aserve(str(servers.model), using=servers.ramalama()):
            pass

    with pytest.raises(ServerExited):
        asyncio.run(main())
    assert servers.is_clean()


def test_a_block_that_fails_leaves_nothing(servers: ServerFixture) -> None:
    async def main() -> None:
        async with ramalama.aserve(str(servers.model), using=servers.ramalama()):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert servers.is_clean()


def test_the_loop_goes_on_while_a_server_starts(run_dir: Path) -> None:
    servers = ServerFixture(root=run_dir, answers=[LOADING])
    turns = 0

    async def main() -> None:
        nonlocal turns
        start = asyncio.create_task(enter())
        for turns in range(20):  # noqa: B007 (counted outside)
            await asyncio.sleep(0.005)
        assert not start.done()
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start

    async def enter() -> None:
        async with ramalama.aserve(str(servers.model), using=servers.ramalama()):
            pass

    asyncio.run(main())
    assert turns == 19
    assert servers.is_clean()


@pytest.mark.parametrize("step", [ContainerCreated, ContainerStarted, ServerReady])
def test_a_task_that_is_cancelled_at_any_step_leaves_nothing(
    servers: ServerFixture, step: type[Event]
) -> None:
    async def main() -> None:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert task is not None

        def cancel(event: Event) -> None:
            if isinstance(event, step):
                loop.call_soon_threadsafe(task.cancel)
                time.sleep(0.01)

        async with ramalama.aserve(str(servers.model), using=servers.ramalama(), on_event=cancel):
            await asyncio.sleep(10)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert servers.is_clean()


def test_a_time_limit_ends_a_start(run_dir: Path) -> None:
    servers = ServerFixture(root=run_dir, answers=[LOADING])

    async def main() -> None:
        async with (
            asyncio.timeout(0.05),
            ramalama.aserve(str(servers.model), using=servers.ramalama()),
        ):
            pass

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert servers.is_clean()


def test_tasks_that_are_cancelled_at_random_moments_leave_nothing(
    servers: ServerFixture, threads_before: frozenset[threading.Thread]
) -> None:
    chance = random.Random(5)  # noqa: S311 (moments, not secrets)
    handle = servers.ramalama()

    async def use() -> None:
        async with ramalama.aserve(str(servers.model), using=handle, reuse=chance.random() < 0.5):
            await asyncio.sleep(0.01)

    async def main() -> None:
        for _ in range(CANCELS):
            task = asyncio.create_task(use())
            await asyncio.sleep(chance.uniform(0, 0.06))
            task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled() or task.exception() is None
            assert servers.is_clean()

    asyncio.run(main())
    join_our_threads(threads_before)


def test_ctrl_c_ends_the_loop_and_leaves_nothing(run_dir: Path) -> None:
    servers = ServerFixture(root=run_dir, answers=[LOADING])

    async def main() -> None:
        async with ramalama.aserve(str(servers.model), using=servers.ramalama()):
            pass

    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    timer.join()
    assert servers.is_clean()


def test_several_models_are_served_at_once(servers: ServerFixture) -> None:
    handle = servers.ramalama()

    async def use(seed: int, all_in: asyncio.Barrier) -> str:
        async with ramalama.aserve(str(servers.model), using=handle, seed=seed) as server:
            await all_in.wait()
            return server.name

    async def main() -> list[str]:
        all_in = asyncio.Barrier(20)
        return await asyncio.gather(*(use(seed, all_in) for seed in range(20)))

    names = asyncio.run(main())
    assert len({*names}) == 20
    assert servers.is_clean()


def test_another_thread_can_call_a_start_off_too(run_dir: Path) -> None:
    servers = ServerFixture(root=run_dir, answers=[LOADING])
    cancel = threading.Event()

    def call_off(event: Event) -> None:
        if isinstance(event, ContainerStarted):
            cancel.set()

    with (
        pytest.raises(StartCancelled),
        ramalama.serve(
            str(servers.model), using=servers.ramalama(), cancel=cancel, on_event=call_off
        ),
    ):
        pass
    assert servers.is_clean()


def test_a_result_that_nobody_takes_is_undone_even_if_that_is_cancelled_again() -> None:
    undone: list[int] = []
    go_on = threading.Event()

    def call() -> int:
        go_on.wait()
        return 7

    def undo(result: int) -> None:
        time.sleep(0.05)
        undone.append(result)

    async def main() -> None:
        task = asyncio.create_task(in_thread(call, undo=undo))
        await asyncio.sleep(0.01)
        task.cancel()
        go_on.set()
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert undone == [7]


class NotifyingLoop(asyncio.SelectorEventLoop):
    """An event loop that sets `called` when another thread has scheduled a callback."""

    def __init__(self) -> None:
        super().__init__()
        self.called = threading.Event()

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        handle = super().call_soon_threadsafe(callback, *args, context=context)
        self.called.set()
        return handle


def test_a_result_that_a_closed_loop_no_longer_delivers_is_undone(
    threads_before: frozenset[threading.Thread],
) -> None:
    undone: list[int] = []
    go_on = threading.Event()

    def call() -> int:
        go_on.wait()
        return 7

    loop = NotifyingLoop()
    loop.set_exception_handler(lambda _loop, _context: None)  # which hears of the task's end
    task = loop.create_task(in_thread(call, undo=undone.append))
    loop.call_soon(loop.stop)
    loop.run_forever()
    go_on.set()
    loop.called.wait()
    loop.close()
    join_our_threads(threads_before)

    assert undone == [7]
    assert not task.done()


def test_a_program_that_ends_with_an_open_loop_leaves_nothing() -> None:
    program = """
import asyncio, threading
from ramalama.system.threads import in_thread

go_on = threading.Event()
loop = asyncio.new_event_loop()
loop.set_exception_handler(lambda _loop, _context: None)
task = loop.create_task(in_thread(lambda: go_on.wait() and 7, undo=print))
loop.call_soon(loop.stop)
loop.run_forever()
go_on.set()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )

    assert ended.stdout == "7\n"


def test_a_server_that_was_found_is_left_if_the_openai_sdk_cannot_be_imported(
    servers: ServerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with ramalama.aserve(str(servers.model), using=servers.ramalama(), reuse=True):
            pass

    with servers.ramalama().serve(servers.options, reuse=True):
        monkeypatch.setitem(sys.modules, "ramalama_chat.preload", None)
        with pytest.raises(ImportError):
            asyncio.run(main())

    assert servers.is_clean()


def test_a_loop_that_is_closed_over_our_heads_leaves_nothing(
    servers: ServerFixture, threads_before: frozenset[threading.Thread]
) -> None:
    """As a second Ctrl-C does: `asyncio.run` waits for nobody then."""
    go_on = threading.Event()

    def hold(event: Event) -> None:
        if isinstance(event, ServerReady):
            go_on.wait()

    async def main() -> None:
        async with ramalama.aserve(str(servers.model), using=servers.ramalama(), on_event=hold):
            pass

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)  # which hears of the task's end
    task = loop.create_task(main())
    loop.call_later(0.05, loop.stop)
    loop.run_forever()
    loop.close()
    go_on.set()
    join_our_threads(threads_before)

    assert servers.is_clean()
    assert not task.done()
