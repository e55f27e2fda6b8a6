"""`start`, `pull`, `attach`, `stop`, `logs`: functions and methods, blocking and in asyncio."""

from __future__ import annotations

import asyncio
import pydoc
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

import pytest

import ramalama
from ramalama.config.config import Config
from ramalama.config.options import ServeOptions
from ramalama.errors import EngineFailure, StartCancelled
from ramalama.events import ContainerStarted, Event
from ramalama.models.options import ModelFormat, PullOptions
from tests.unit.ramalama.made_up import GGUF
from tests.unit.ramalama.serving.model_server import LOADING
from tests.unit.ramalama.serving.servers import ServerFixture

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama.api.keywords import PullKeywords, ServeKeywords


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    with ServerFixture(root=run_dir) as made:
        yield made


def argv_of(servers: ServerFixture, name: str) -> tuple[str, ...]:
    return servers.engine.spec(name).command


def test_a_server_that_was_started_is_there_until_it_is_closed(servers: ServerFixture) -> None:
    server = ramalama.start(servers.model, using=servers.ramalama(), ctx_size=4096)

    assert "4096" in argv_of(servers, server.name)
    assert repr(server) == f"<ModelServer {server.name}: granite at {server.endpoint}, open>"
    server.close()
    assert repr(server).endswith(", closed>")
    assert servers.is_clean()


def test_a_server_that_was_started_is_a_context_manager_of_both_colors(
    servers: ServerFixture,
) -> None:
    async def main() -> None:
        async with await ramalama.astart(servers.model, using=servers.ramalama()) as server:
            assert server.running

    with ramalama.start(servers.model, using=servers.ramalama()) as server:
        assert server.running
    assert servers.is_clean()
    asyncio.run(main())
    assert servers.is_clean()


def test_a_handle_has_the_methods_of_the_module(servers: ServerFixture) -> None:
    handle = servers.ramalama()

    async def main() -> None:
        async with handle.aserve(str(servers.model), ctx_size=4096) as server:
            assert "4096" in argv_of(servers, server.name)
            async with await handle.aattach(server.name) as found:
                assert found.container == server.container
            await handle.astop(server.name)

    with handle.serve(str(servers.model), ctx_size=4096) as server:
        assert "4096" in argv_of(servers, server.name)
        with handle.attach(server.name) as found:
            assert found.container == server.container
        handle.stop(server.name)
    asyncio.run(main())
    assert servers.is_clean()


def test_the_module_attaches_and_stops_too(servers: ServerFixture) -> None:
    handle = servers.ramalama()

    async def main(name: str) -> None:
        found = await ramalama.aattach(name, using=handle)
        await found.aclose()
        await ramalama.astop(name, using=handle)
        with pytest.raises(EngineFailure, match="there is no model server"):
            await ramalama.astop(name, using=handle)

    with ramalama.serve(servers.model, using=handle) as server:
        with ramalama.attach(server.name, using=handle) as found:
            assert found.model == server.model
        asyncio.run(main(server.name))
    with ramalama.serve(servers.model, using=handle) as server:
        ramalama.stop(server.name, using=handle)
    assert servers.is_clean()


def test_options_that_are_given_as_a_whole_take_the_keywords_of_the_start_alone(
    servers: ServerFixture,
) -> None:
    with ramalama.serve(servers.options, using=servers.ramalama(), reuse=True) as server:
        assert server.model == "granite"
    with pytest.raises(TypeError, match="'ctx_size' is a field of the ServeOptions"):
        servers.ramalama().start(servers.options, ctx_size=4096)
    with pytest.raises(TypeError, match="there is no option 'rescue'; did you mean 'reuse'"):
        servers.ramalama().start(servers.options, **cast("ServeKeywords", {"rescue": True}))


def test_words_texts_and_lists_stand_for_their_values(servers: ServerFixture) -> None:
    draft = servers.root / "draft.gguf"
    draft.write_bytes(GGUF)
    authfile = servers.root / "auth.json"
    authfile.write_text("{}")

    with ramalama.serve(
        servers.model,
        using=servers.ramalama(),
        runtime="llama.cpp",
        api="none",
        pull_policy="never",
        runtime_args=["--metrics"],
        devices=[],
        draft=str(draft),
        authfile=str(authfile),
    ) as server:
        argv = argv_of(servers, server.name)

    assert argv[-1] == "--metrics"
    assert "--model-draft" in argv
    with ramalama.serve(servers.model, using=servers.ramalama(), draft=draft) as server:
        assert "--model-draft" in argv_of(servers, server.name)


def test_a_draft_of_the_settings_can_be_refused(servers: ServerFixture) -> None:
    draft = servers.root / "draft.gguf"
    draft.write_bytes(GGUF)
    servers.config = Config(model_draft=str(draft))

    with ramalama.serve(servers.model, using=servers.ramalama()) as server:
        assert "--model-draft" in argv_of(servers, server.name)
    with ramalama.serve(servers.model, using=servers.ramalama(), draft=None) as server:
        assert "--model-draft" not in argv_of(servers, server.name)


def test_help_lists_all_keywords_of_a_start() -> None:
    for function in (ramalama.serve, ramalama.aserve, ramalama.start, ramalama.astart):
        shown = pydoc.plain(pydoc.render_doc(function))
        names = ServeOptions.__dataclass_fields__.keys() - {"model"}
        assert [name for name in names if f" {name}: " not in shown] == []
        assert " * reuse (False): " in shown


def test_a_file_of_this_machine_is_pulled_as_it_is(servers: ServerFixture) -> None:
    async def main() -> None:
        assert (await handle.apull(servers.model)).weights == (servers.model,)
        assert (await ramalama.apull(servers.model, using=handle)).weights == (servers.model,)

    handle = servers.ramalama()
    assert handle.pull(str(servers.model)).weights == (servers.model,)
    assert ramalama.pull(servers.model, using=handle).weights == (servers.model,)
    asyncio.run(main())


def test_a_pull_takes_fields_of_its_options_or_all_of_them(servers: ServerFixture) -> None:
    handle, options = servers.ramalama(), PullOptions(wanted=ModelFormat.SAFETENSORS)

    assert handle.pull(servers.model, options).weights
    assert handle.pull(servers.model, wanted="safetensors", authfile="auth.json").weights
    with pytest.raises(TypeError, match="'offline' is a field of the PullOptions"):
        handle.pull(servers.model, options, offline=True)
    with pytest.raises(TypeError, match="there is no option 'ofline'; did you mean 'offline'"):
        handle.pull(servers.model, **cast("PullKeywords", {"ofline": True}))


def test_a_log_is_read_in_asyncio(servers: ServerFixture) -> None:
    handle = servers.ramalama()

    async def read(name: str) -> list[str]:
        return [
            *[line async for line in handle.alogs(name)],
            *[line async for line in ramalama.alogs(name, tail=1, using=handle)],
        ]

    with handle.serve(servers.options) as server:
        servers.engine.write(server.name, "ready")
        assert asyncio.run(read(server.name)) == ["loading the model", "ready", "ready"]
        assert [*ramalama.logs(server.name, tail=1, using=handle)] == ["ready"]


def test_a_log_is_followed_in_asyncio_until_it_is_enough(servers: ServerFixture) -> None:
    handle = servers.ramalama()

    async def follow(name: str) -> list[str]:
        async with aclosing(handle.alogs(name, follow=True)) as lines:
            heard = [await anext(lines)]
            servers.engine.write(name, "ready")
            heard.append(await anext(lines))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(lines), 0.05)
        return heard

    with handle.serve(servers.options) as server:
        assert asyncio.run(follow(server.name)) == ["loading the model", "ready"]
        for thread in threading.enumerate():
            if thread.name == "ramalama-async":
                thread.join(10)
                assert not thread.is_alive()
    assert servers.is_clean()


def test_a_log_of_no_server_is_an_error_in_asyncio_too(servers: ServerFixture) -> None:
    async def main() -> None:
        async for _ in servers.ramalama().alogs("missing"):
            pass

    with pytest.raises(EngineFailure, match="there is no model server"):
        asyncio.run(main())


def test_a_start_and_a_pull_can_be_cancelled(run_dir: Path) -> None:
    servers = ServerFixture(root=run_dir, answers=[LOADING])

    async def main() -> None:
        for coroutine in (
            servers.ramalama().astart(servers.model),
            ramalama.astart(servers.model, using=servers.ramalama()),
        ):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(coroutine, 0.05)
            assert servers.is_clean()

    asyncio.run(main())


def test_a_start_that_another_thread_cancels_raises_what_it_would_elsewhere(run_dir: Path) -> None:
    servers, cancel = ServerFixture(root=run_dir, answers=[LOADING]), threading.Event()

    def call_off(event: Event) -> None:
        if isinstance(event, ContainerStarted):
            cancel.set()

    with pytest.raises(StartCancelled):
        ramalama.start(servers.model, using=servers.ramalama(), cancel=cancel, on_event=call_off)
    assert servers.is_clean()


def test_a_client_of_a_server_that_was_closed_twice_is_closed_once(servers: ServerFixture) -> None:
    async def main() -> None:
        server = await ramalama.astart(servers.model, using=servers.ramalama())
        await server.aclose()
        await server.aclose()
        server.close()

    asyncio.run(main())
    assert servers.is_clean()


def test_a_closed_server_keeps_what_it_knew_of_its_end(servers: ServerFixture) -> None:
    with ramalama.start(servers.model, using=servers.ramalama()) as stopped:
        pass
    with ramalama.start(servers.model, using=servers.ramalama()) as died:
        servers.engine.end(died.name, 1)
        ended = died.why_ended()

    assert ended is not None
    assert died.why_ended() is ended
    assert stopped.why_ended() is None
