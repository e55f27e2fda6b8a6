"""Downloads on which nothing goes wrong."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from ramalama.events import FileReady
from tests.doubles.faults import faulty, ignore_ranges, slow, without_length
from tests.doubles.server import serve_bytes
from tests.unit.ramalama.models.download.kit import (
    KIB,
    WITHOUT_THEFT,
    Kit,
    digest_of,
    made_up_bytes,
)

if TYPE_CHECKING:
    from tests.doubles.server import FileServer, Reply, Request

LITTLE = made_up_bytes(10 * KIB)
BIG = made_up_bytes(1024 * KIB + 7)


@pytest.mark.parametrize("content", [b"", b"x", LITTLE, BIG], ids=["empty", "1", "little", "big"])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
def test_a_file_of_any_size_comes_as_it_is(
    kit: Kit, server: FileServer, content: bytes, *, announced: bool
) -> None:
    server.routes["/blob"] = serve_bytes(content)
    fetched = kit.fetch(kit.blob(content if announced else None))

    assert fetched.path.read_bytes() == content
    assert (fetched.digest, fetched.size) == (digest_of(content), len(content))
    assert kit.events[-1] == FileReady(file="blob", size=len(content))


def test_a_blob_in_the_store_is_not_requested(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = serve_bytes(LITTLE)
    first = kit.fetch(kit.blob(LITTLE))
    again = kit.fetch(kit.blob(LITTLE))

    assert again == first
    assert len(server.requests) == 1


def test_an_empty_blob_is_not_requested(kit: Kit, server: FileServer) -> None:
    assert kit.fetch(kit.blob(b"")).size == 0
    assert server.requests == []


def test_a_little_file_takes_one_request(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = serve_bytes(LITTLE)
    kit.fetch(kit.blob(LITTLE, headers={"authorization": "Bearer s3cret"}))

    (request,) = server.requests
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["authorization"] == "Bearer s3cret"


def test_every_piece_of_a_big_file_is_asked_for_once(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = serve_bytes(BIG)
    kit.fetch(kit.blob(BIG), limits=WITHOUT_THEFT)

    asked = [request.headers["range"] for request in server.requests]
    starts = range(0, len(BIG), 64 * KIB)
    assert sorted(asked) == sorted(
        f"bytes={start}-{min(start + 64 * KIB, len(BIG)) - 1}" for start in starts
    )


def test_a_connection_serves_for_one_piece_after_the_other(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = serve_bytes(BIG)
    kit.fetch(kit.blob(BIG), limits=WITHOUT_THEFT)

    assert len({request.peer for request in server.requests}) <= 4


def test_a_big_file_comes_on_several_connections_at_once(kit: Kit, server: FileServer) -> None:
    honest = serve_bytes(BIG)
    others = threading.Barrier(3, timeout=20)

    def wait_for_the_others(request: Request) -> Reply:
        if 1 < len(server.requests) <= 4:
            others.wait()
        return honest(request)

    server.routes["/blob"] = wait_for_the_others
    kit.fetch(kit.blob(BIG), limits=WITHOUT_THEFT)

    assert not others.broken


@pytest.mark.parametrize("streams", [1, 3])
def test_there_are_no_more_connections_than_were_asked_for(
    kit: Kit, server: FileServer, streams: int
) -> None:
    honest = faulty(serve_bytes(BIG), slow(4000 * KIB))
    running = 0
    most = 0
    lock = threading.Lock()

    def count(request: Request) -> Reply:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.02)
        with lock:
            running -= 1
        return honest(request)

    server.routes["/blob"] = count
    kit.fetch(kit.blob(BIG), streams=streams)

    assert most <= streams


def test_a_stream_without_work_takes_half_of_what_a_slow_one_has_left(
    kit: Kit, server: FileServer
) -> None:
    honest = serve_bytes(BIG)
    slow_one = faulty(honest, slow(64 * KIB))

    def answer(request: Request) -> Reply:
        first = request.headers["range"] == "bytes=65536-131071"
        return (slow_one if first else honest)(request)

    server.routes["/blob"] = answer
    kit.fetch(kit.blob(BIG))

    starts = {int(r.headers["range"][6:].partition("-")[0]) for r in server.requests}
    assert any(65536 < start < 131072 for start in starts)


@pytest.mark.parametrize("content", [LITTLE, BIG], ids=["little", "big"])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
def test_a_server_need_not_say_how_long_the_file_is(
    kit: Kit, server: FileServer, content: bytes, *, announced: bool
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(content), ignore_ranges, without_length)
    fetched = kit.fetch(kit.blob(content if announced else None))

    assert fetched.digest == digest_of(content)


def test_progress_grows_to_the_end_and_is_told_in_the_thread_that_fetches(
    kit: Kit, server: FileServer
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), slow(1000 * KIB))
    kit.fetch(kit.blob(BIG))

    assert kit.progress[-1] == len(BIG)
    assert kit.progress == sorted(kit.progress)
    assert len(kit.progress) > 2
    assert kit.threads == {threading.get_ident()}


def test_progress_is_told_ten_times_a_second_at_most(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), slow(500 * KIB))
    began = time.monotonic()
    kit.fetch(kit.blob(BIG))

    assert len(kit.progress) <= 10 * (time.monotonic() - began) + 2


def test_files_are_fetched_in_order_and_each_content_once(kit: Kit, server: FileServer) -> None:
    server.routes.update({"/a": serve_bytes(LITTLE), "/b": serve_bytes(BIG)})
    blobs = [kit.blob(LITTLE, path="/a"), kit.blob(BIG, path="/b"), kit.blob(LITTLE, path="/a")]

    fetched = kit.downloader().fetch_all(blobs, kit.blob_store)

    assert [one.digest for one in fetched] == [blob.digest for blob in blobs]
    assert kit.ready == ["a", "b"]
    assert len(server.asked("/a")) == 1
