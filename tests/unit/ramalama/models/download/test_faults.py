"""What networks and servers do wrong, and in spite of which a file arrives."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx2
import pytest

from ramalama.errors import ModelPullError
from ramalama.events import DownloadRetrying
from ramalama.models.download.values import Location
from ramalama.models.http.client import open_http
from tests.doubles.faults import (
    Fault,
    after,
    cut,
    faulty,
    ignore_ranges,
    lying_416,
    refuse,
    slow,
    stall,
    times,
    with_headers,
    without_length,
    wrong_start,
    wrong_total,
)
from tests.doubles.server import FileServer, Reply, serve_bytes
from tests.unit.ramalama.models.download.kit import (
    IMPATIENT,
    KIB,
    WITHOUT_THEFT,
    Kit,
    digest_of,
    made_up_bytes,
)

if TYPE_CHECKING:
    from tests.doubles.server import Request
    from tests.lab.certificates import Certificate

LITTLE = made_up_bytes(200 * KIB)
BIG = made_up_bytes(1024 * KIB + 7)

survived = pytest.mark.parametrize(
    "fault",
    [
        pytest.param(times(7, cut(20 * KIB)), id="cut seven times"),
        pytest.param(times(2, cut(0)), id="cut before the first byte"),
        pytest.param(cut(30 * KIB), id="cut every time, always a little later"),
        pytest.param(times(2, stall(10 * KIB)), id="silence in the middle"),
        pytest.param(times(1, stall(0)), id="silence before the first byte"),
        pytest.param(times(2, refuse(Reply(status=503))), id="503"),
        pytest.param(times(2, refuse(Reply(status=429, headers={"retry-after": "0"}))), id="429"),
        pytest.param(after(1, times(2, refuse(Reply(status=500)))), id="500 in the middle"),
        pytest.param(ignore_ranges, id="no ranges"),
        pytest.param(after(2, ignore_ranges), id="ranges twice, then never"),
        pytest.param(without_length, id="parts of unknown length"),
        pytest.param(lying_416, id="416 that lies about its length"),
        pytest.param(with_headers({"content-range": "bytes */*"}), id="no telling which part"),
        pytest.param(wrong_total(999), id="less announced than there is, in parts"),
        pytest.param(wrong_total(10**7), id="more announced than there is, in parts"),
        pytest.param(wrong_start(100), id="a part that begins too late"),
        pytest.param(wrong_start(-100), id="a part that begins too early"),
    ],
)


@survived
@pytest.mark.parametrize("content", [LITTLE, BIG], ids=["little", "big"])
def test_a_file_of_known_digest_arrives_in_spite_of(
    kit: Kit, server: FileServer, fault: Fault, content: bytes
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(content), fault)

    assert kit.fetch(kit.blob(content), limits=IMPATIENT).digest == digest_of(content)


@survived
def test_a_file_of_unknown_digest_arrives_in_spite_of(
    kit: Kit, server: FileServer, fault: Fault
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), fault)

    assert kit.fetch(kit.blob(), limits=IMPATIENT).digest == digest_of(BIG)


def test_what_came_before_a_cut_does_not_come_again(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = faulty(serve_bytes(LITTLE), times(7, cut(20 * KIB)))
    kit.fetch(kit.blob(LITTLE))

    starts = [int(r.headers["range"][6:].partition("-")[0]) for r in server.requests]
    assert starts == [number * 20 * KIB for number in range(8)]
    assert len(kit.retries) == 7


def test_only_failures_in_a_row_that_bring_nothing_end_a_download(
    kit: Kit, server: FileServer
) -> None:
    hardly = faulty(serve_bytes(LITTLE), cut(4 * KIB))
    tired = faulty(hardly, refuse(Reply(status=503)))

    def answer(request: Request) -> Reply:
        return hardly(request) if len(server.requests) % 3 == 0 else tired(request)

    server.routes["/blob"] = answer

    assert kit.fetch(kit.blob(LITTLE)).digest == digest_of(LITTLE)
    assert len(server.requests) == 150


def test_a_server_that_always_fails_is_left_alone_after_a_few_tries(
    kit: Kit, server: FileServer
) -> None:
    server.routes["/blob"] = lambda _: Reply(status=503)

    with pytest.raises(
        ModelPullError, match=r"blob cannot be downloaded from 127\.0\.0\.1: it answers 5"
    ):
        kit.fetch(kit.blob(LITTLE))

    assert len(server.requests) == 3
    assert kit.partial_files == []


def test_a_server_that_wants_no_more_connections_is_left_with_those_that_it_wants(
    kit: Kit, server: FileServer
) -> None:
    honest = faulty(serve_bytes(BIG), slow(2000 * KIB))
    welcome: set[int] = set()

    def answer(request: Request) -> Reply:
        if len(welcome) < 2:
            welcome.add(request.peer)
        if request.peer in welcome:
            return honest(request)
        return Reply(status=429, headers={"connection": "close"})

    server.routes["/blob"] = answer

    assert kit.fetch(kit.blob(BIG), limits=WITHOUT_THEFT).digest == digest_of(BIG)
    assert len({request.peer for request in server.requests}) > 2


def test_a_pause_that_the_server_asks_for_is_kept_and_told(kit: Kit, server: FileServer) -> None:
    asked = refuse(Reply(status=429, headers={"retry-after": "1"}))
    server.routes["/blob"] = faulty(serve_bytes(LITTLE), times(1, asked))
    kit.fetch(kit.blob(LITTLE))

    (told,) = [event for event in kit.events if isinstance(event, DownloadRetrying)]
    assert (told.file, told.reason) == ("blob", "it answers 429")
    assert 1 <= told.seconds < 1.1


def test_a_server_that_wants_an_hour_is_not_waited_for(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = lambda _: Reply(status=429, headers={"retry-after": "3600"})

    with pytest.raises(ModelPullError, match="it answers 429"):
        kit.fetch(kit.blob(LITTLE))

    assert len(server.requests) == 1


def test_cuts_within_tls_are_survived_too(
    kit: Kit, secure_server: FileServer, certificate: Certificate
) -> None:
    secure_server.routes["/blob"] = faulty(serve_bytes(BIG), times(5, cut(30 * KIB)))
    trusting = ssl.create_default_context(cafile=certificate.ca_file)
    location = Location(url=f"{secure_server.url}/blob")
    with open_http(verify=trusting) as client:
        blob = replace(kit.blob(BIG), client=client, locate=lambda: location)

        assert kit.fetch(blob).digest == digest_of(BIG)


def test_a_client_that_knows_nothing_of_us_and_has_few_connections_will_do(
    kit: Kit, server: FileServer
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), slow(2000 * KIB))
    with httpx2.Client(limits=httpx2.Limits(max_connections=1)) as client:
        blob = replace(kit.blob(BIG), client=client)

        assert kit.fetch(blob).digest == digest_of(BIG)
    assert {request.headers["accept-encoding"] for request in server.requests} == {"identity"}


@pytest.mark.parametrize("digest", [True, False])
def test_a_server_that_drips_is_given_up(kit: Kit, server: FileServer, *, digest: bool) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), slow(100))
    limits = replace(IMPATIENT, silence=10.0, grace=0.5, slowest=100_000)

    with pytest.raises(ModelPullError, match=r"blob cannot be downloaded from .*: it sends almost"):
        kit.fetch(kit.blob(BIG) if digest else kit.blob(), limits=limits)


def test_a_slow_server_may_take_as_long_as_its_bytes_take(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = faulty(serve_bytes(LITTLE), slow(200_000))
    limits = replace(IMPATIENT, silence=10.0, grace=0.2, slowest=100_000)

    assert kit.fetch(kit.blob(), limits=limits).digest == digest_of(LITTLE)
