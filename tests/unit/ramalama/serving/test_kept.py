"""A server that is kept alive ends by itself while the handle that has left it is open."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ramalama.serving import kept
from ramalama.serving.usage import FOR_EVER
from ramalama_engines import EngineUnavailable
from tests.unit.ramalama.serving.servers import ServerFixture, eventually

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama import Ramalama


@pytest.fixture
def servers(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[ServerFixture]:
    monkeypatch.setattr(kept, "_SHORTEST_PAUSE", 0.02)
    with ServerFixture(root=run_dir) as made:
        yield made


@pytest.fixture
def ramalama(servers: ServerFixture) -> Generator[Ramalama]:
    with servers.ramalama() as handle:
        yield handle


def keepers() -> int:
    return sum(thread.name == "ramalama-kept" for thread in threading.enumerate())


def test_it_ends_when_its_time_is_over(servers: ServerFixture, ramalama: Ramalama) -> None:
    with ramalama.serve(servers.options, keep_alive=0.3):
        pass
    assert servers.engine.list({})

    eventually(servers.is_clean)
    eventually(lambda: keepers() == 0)


def test_it_does_not_end_while_it_has_users_and_the_time_begins_anew_after_them(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    with ramalama.serve(servers.options, keep_alive=0.2):
        pass
    with ramalama.serve(servers.options, reuse=True) as server:
        time.sleep(0.6)
        assert server.running

    eventually(servers.is_clean)


def test_one_thread_looks_after_all_of_them(servers: ServerFixture, ramalama: Ramalama) -> None:
    for _ in range(3):
        with ramalama.serve(servers.options, reuse=True, keep_alive=3600):
            pass
    with ramalama.serve(servers.options, keep_alive=0.1):
        pass

    assert keepers() == 1
    eventually(lambda: len(servers.engine.list({})) == 1)
    assert keepers() == 1


def test_a_closed_handle_leaves_it_to_the_next_command(servers: ServerFixture) -> None:
    with servers.ramalama() as ramalama:
        with ramalama.serve(servers.options, keep_alive=3600):
            pass
        assert keepers() == 1

    eventually(lambda: keepers() == 0)
    assert list(servers.run_dir.glob("*.shared"))


@pytest.mark.parametrize("seconds", [0, FOR_EVER])
def test_there_is_no_thread_for_one_that_is_not_kept_or_for_ever(
    servers: ServerFixture, ramalama: Ramalama, seconds: float
) -> None:
    with (
        ramalama.serve(servers.options, reuse=True, keep_alive=seconds),
        ramalama.serve(servers.options, reuse=True),
    ):
        pass

    eventually(lambda: keepers() == 0)


def test_a_server_that_is_detached_for_some_time_ends_too(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    server = ramalama.start(servers.options)
    server.detach(keep_alive=0.1)
    server.close()

    eventually(servers.is_clean)


def test_one_that_was_found_by_its_name_ends_too(
    servers: ServerFixture, ramalama: Ramalama
) -> None:
    server = ramalama.start(servers.options, keep_alive=0.3)
    found = ramalama.attach(server.name)
    server.close()
    found.close()

    eventually(servers.is_clean)


def test_an_engine_that_does_not_answer_leaves_it_to_the_next_command(
    servers: ServerFixture, ramalama: Ramalama, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(container: str, *, force: bool = False) -> None:
        msg = f"no answer, {container[:1]} {force}"
        raise EngineUnavailable(msg)

    with ramalama.serve(servers.options, keep_alive=0.1):
        monkeypatch.setattr(servers.engine, "remove", refuse)

    eventually(lambda: keepers() == 0)
    assert list(servers.run_dir.glob("*.shared"))


def test_a_forked_process_looks_after_its_own(servers: ServerFixture, ramalama: Ramalama) -> None:
    with ramalama.serve(servers.options, keep_alive=3600):
        pass
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with ramalama.serve(servers.options, keep_alive=0.1) as server:
                name = server.name
            eventually(lambda: name not in [each.name for each in servers.engine.list({})])
            code = 0
        finally:
            os._exit(code)

    assert os.waitpid(child, 0)[1] == 0
    assert len(servers.engine.list({})) == 1
