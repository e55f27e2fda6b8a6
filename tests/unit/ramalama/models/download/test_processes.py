"""Downloads in processes of their own: several at once, interrupted, and killed."""

from __future__ import annotations

import random
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from ramalama.events import DownloadWaiting
from ramalama.models.download.downloader import Downloader
from tests.doubles.faults import faulty, slow, stall
from tests.doubles.server import FileServer, Reply, serve_bytes
from tests.unit.ramalama.models.download.kit import (
    KIB,
    SMALL,
    Kit,
    digest_of,
    made_up_bytes,
)
from tests.unit.ramalama.models.download.storm import BOUND, Storm, start_child

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.events import Event
    from tests.doubles.server import Request, Route

BIG = made_up_bytes(1024 * KIB + 7)
BEFORE = made_up_bytes(1024 * KIB + 7, seed=1)


def never_answer(server: FileServer) -> Route:
    def answer(_request: Request) -> Reply:
        server.closing.wait()
        return Reply(status=500)

    return answer


@pytest.mark.parametrize("streams", [1, 4])
@pytest.mark.parametrize("sent", [None, 0, 60 * KIB])
def test_ctrl_c_ends_all_threads_even_of_a_silent_server(
    kit: Kit, server: FileServer, sent: int | None, streams: int
) -> None:
    honest = serve_bytes(BIG)
    silent = never_answer(server) if sent is None else stall(sent)(honest)
    asked = threading.Semaphore(0)

    def answer(request: Request) -> Reply:
        first = len(server.requests) == 1
        asked.release()
        return (honest if first and streams > 1 else silent)(request)

    server.routes["/blob"] = answer
    child = start_child(f"{server.url}/blob", kit.directory, BIG)
    for _ in range(streams):
        assert asked.acquire(timeout=60)
    child.send_signal(signal.SIGINT)
    output, errors = child.communicate(timeout=60)

    assert (child.returncode, errors) == (0, "")
    assert output.splitlines()[-1] == "interrupted, 1 thread left"


@pytest.mark.parametrize("known", [True, False], ids=["known digest", "unknown digest"])
def test_two_processes_fetch_a_file_once_and_both_have_it(
    kit: Kit, server: FileServer, *, known: bool
) -> None:
    honest = serve_bytes(BIG)
    asked, others_wait = threading.Event(), threading.Event()

    def answer(request: Request) -> Reply:
        asked.set()
        others_wait.wait(60)
        return honest(request)

    server.routes["/blob"] = answer
    content = BIG if known else None
    first = start_child(f"{server.url}/blob", kit.directory, content)
    assert asked.wait(60)
    second = start_child(f"{server.url}/blob", kit.directory, content)
    assert second.stdout is not None
    assert second.stdout.readline() == "DownloadWaiting\n"
    others_wait.set()
    outputs = [child.communicate(timeout=60) for child in (first, second)]

    assert [errors for _, errors in outputs] == ["", ""]
    assert {output.splitlines()[-1] for output, _ in outputs} == {str(digest_of(BIG))}
    starts = [request.headers["range"].partition("-")[0] for request in server.requests]
    assert len(starts) == len(set(starts))


@pytest.mark.parametrize("known", [True, False], ids=["known digest", "unknown digest"])
def test_a_process_that_waited_for_one_that_died_downloads_the_rest(
    kit: Kit, server: FileServer, *, known: bool
) -> None:
    server.routes["/blob"] = serve_bytes(BEFORE, etag='"1"')
    kit.fetch(kit.blob())
    server.routes["/blob"] = faulty(serve_bytes(BIG, etag='"2"'), slow(400 * KIB))
    content = BIG if known else None
    child = start_child(f"{server.url}/blob", kit.directory, content)
    assert child.stdout is not None
    while child.stdout.readline() != "DownloadProgress\n":
        pass

    def watch(event: Event) -> None:
        kit.watch(event)
        if isinstance(event, DownloadWaiting):
            child.kill()

    downloader = Downloader(kit.directory, on_event=watch, limits=SMALL)
    fetched = downloader.fetch(kit.blob(content), kit.blob_store)
    child.communicate()

    assert fetched.digest == digest_of(BIG)
    assert DownloadWaiting(file="blob") in kit.events


def test_no_kill_costs_more_than_it_may_or_publishes_a_wrong_byte(tmp_path: Path) -> None:
    storm = Storm(BIG, tmp_path / "store", random.Random(7))  # noqa: S311 (moments, not secrets)

    remains = storm.kills(10)

    assert max(found.lost for found in remains) <= BOUND
    assert storm.completed >= 1
