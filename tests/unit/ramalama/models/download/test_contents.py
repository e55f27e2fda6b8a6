"""What comes is not what it should be, or changes on the way."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ModelPullError, ModelUnsupported
from tests.doubles.faults import (
    Fault,
    announce,
    corrupt,
    cut,
    faulty,
    ignore_ranges,
    stall,
    times,
    with_headers,
    without_length,
)
from tests.doubles.server import FileServer, Reply, serve_bytes
from tests.unit.ramalama.models.download.kit import (
    KIB,
    Kit,
    digest_of,
    made_up_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.doubles.server import Request

LITTLE = made_up_bytes(200 * KIB)
BIG = made_up_bytes(1024 * KIB + 7)
OTHER = made_up_bytes(1024 * KIB + 7, seed=1)


@pytest.mark.parametrize("content", [LITTLE, BIG], ids=["little", "big"])
def test_a_damaged_file_is_fetched_once_more_on_one_connection(
    kit: Kit, server: FileServer, content: bytes
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(content), corrupt(150_000, answers=1))

    assert kit.fetch(kit.blob(content)).digest == digest_of(content)
    assert any("instead of" in reason for reason in kit.retries)
    beginnings = [
        number
        for number, request in enumerate(server.requests)
        if request.headers["range"].startswith("bytes=0-")
    ]
    assert len({request.peer for request in server.requests[beginnings[1] :]}) == 1


@pytest.mark.parametrize("content", [LITTLE, BIG], ids=["little", "big"])
def test_a_file_that_stays_damaged_is_an_error_that_names_both_digests(
    kit: Kit, server: FileServer, content: bytes
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(content), corrupt(150_000))
    damaged = bytearray(content)
    damaged[150_000] ^= 1

    with pytest.raises(ModelPullError) as caught:
        kit.fetch(kit.blob(content))

    assert str(digest_of(content)) in str(caught.value)
    assert str(digest_of(bytes(damaged))) in str(caught.value)
    assert kit.partial_files == []
    assert kit.blob_store.find(digest_of(content)) is None
    assert len([r for r in server.requests if r.headers["range"].startswith("bytes=0-")]) == 2


def test_a_web_page_is_not_taken_for_a_model(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = serve_bytes(b"<html>Log in</html>", content_type="text/html; a=b")

    with pytest.raises(ModelPullError, match="instead of blob, the server answered with a web"):
        kit.fetch(kit.blob())
    with pytest.raises(ModelPullError, match="answered with a web page"):
        kit.fetch(kit.blob(LITTLE))
    assert kit.partial_files == []


def test_a_web_page_is_taken_where_its_digest_is_that_of_the_file(
    kit: Kit, server: FileServer
) -> None:
    page = b"<html>The model's card</html>"
    server.routes["/blob"] = serve_bytes(page, content_type="text/html")

    assert kit.fetch(kit.blob(page)).path.read_bytes() == page


def test_an_unrequested_compression_is_rejected(kit: Kit, server: FileServer) -> None:
    route = serve_bytes(gzip.compress(LITTLE))
    server.routes["/blob"] = faulty(route, with_headers({"content-encoding": "gzip"}))

    with pytest.raises(ModelPullError, match="answered with something compressed"):
        kit.fetch(kit.blob())


def test_much_announced_and_little_sent_is_an_error(kit: Kit, server: FileServer) -> None:
    route = faulty(serve_bytes(LITTLE[: 10 * KIB]), ignore_ranges, announce(10 * 10**9))
    server.routes["/blob"] = route

    with pytest.raises(ModelPullError, match="blob cannot be downloaded"):
        kit.fetch(kit.blob())

    used = sum(file.stat().st_blocks * 512 for file in kit.partial_files)
    assert used < 10**6


@pytest.mark.parametrize("fault", [None, ignore_ranges], ids=["in parts", "as a whole"])
def test_another_size_than_the_announced_one_is_an_error(
    kit: Kit, server: FileServer, fault: Fault | None
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), *([fault] if fault else []))

    with pytest.raises(ModelPullError, match="has 1048583 bytes at its server instead of 204800"):
        kit.fetch(kit.blob(LITTLE))


@pytest.mark.parametrize("extra", [1, 100 * KIB])
def test_more_bytes_than_announced_are_an_error(kit: Kit, server: FileServer, extra: int) -> None:
    longer = LITTLE + b"x" * extra
    server.routes["/blob"] = faulty(serve_bytes(longer), ignore_ranges, without_length)

    with pytest.raises(ModelPullError, match="sends more than the 204800 bytes that it announced"):
        kit.fetch(kit.blob(size=len(LITTLE)))
    assert kit.fetch(kit.blob(LITTLE)).digest == digest_of(LITTLE)


def test_fewer_bytes_than_announced_are_an_error(kit: Kit, server: FileServer) -> None:
    route = faulty(serve_bytes(LITTLE[:-1]), ignore_ranges, without_length)
    server.routes["/blob"] = route

    with pytest.raises(ModelPullError, match="blob cannot be downloaded"):
        kit.fetch(kit.blob(LITTLE))


@pytest.mark.parametrize("changed_size", [True, False])
def test_a_file_that_changes_on_the_way_is_fetched_from_its_beginning(
    kit: Kit, server: FileServer, *, changed_size: bool
) -> None:
    new = OTHER[:-5] if changed_size else OTHER
    before, now = serve_bytes(BIG, etag='"1"'), serve_bytes(new, etag='"2"')

    def answer(request: Request) -> Reply:
        return before(request) if len(server.requests) <= 5 else now(request)

    server.routes["/blob"] = answer

    assert kit.fetch(kit.blob()).digest == digest_of(new)
    assert kit.retries == ["it has changed"]


@pytest.mark.parametrize("constant", [1, 3, 7])
def test_a_file_whose_version_never_stays_the_same_comes_in_one_response_in_the_end(
    kit: Kit, server: FileServer, constant: int
) -> None:
    def answer(request: Request) -> Reply:
        return serve_bytes(BIG, etag=f'"{len(server.requests) // constant}"')(request)

    server.routes["/blob"] = answer

    assert kit.fetch(kit.blob()).digest == digest_of(BIG)
    assert "range" not in server.requests[-1].headers


def test_a_file_that_is_another_one_in_each_response_is_one_of_them(
    kit: Kit, server: FileServer
) -> None:
    versions = [bytes([number]) * len(BIG) for number in range(256)]

    def answer(request: Request) -> Reply:
        number = len(server.requests)
        return serve_bytes(versions[number], etag=f'"{number}"')(request)

    server.routes["/blob"] = answer

    assert kit.fetch(kit.blob()).digest in map(digest_of, versions)


def test_two_mirrors_may_name_one_content_differently(kit: Kit, server: FileServer) -> None:
    def answer(request: Request) -> Reply:
        return serve_bytes(BIG, etag=f'"{len(server.requests)}"')(request)

    server.routes["/blob"] = answer

    assert kit.fetch(kit.blob(BIG)).digest == digest_of(BIG)
    assert kit.retries == []


def test_without_digest_and_etag_a_file_comes_in_one_piece_or_again(
    kit: Kit, server: FileServer
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG, etag=None), times(2, cut(500 * KIB)))

    assert kit.fetch(kit.blob()).digest == digest_of(BIG)
    assert [request.headers["range"] for request in server.requests] == ["bytes=0-"] * 3


def test_the_date_of_a_file_serves_where_there_is_no_etag(kit: Kit, server: FileServer) -> None:
    date = "Fri, 13 Feb 2009 23:31:30 GMT"
    dated = with_headers({"last-modified": date, "etag": 'W/"1"'})
    server.routes["/blob"] = faulty(serve_bytes(LITTLE, etag=date), times(1, cut(1000)), dated)
    kit.fetch(kit.blob())

    assert server.requests[1].headers["range"].startswith("bytes=1000-")
    assert server.requests[1].headers["if-range"] == date


def refuse_what_is_not(expected: bytes) -> Callable[[bytes], None]:
    def check(head: bytes) -> None:
        if not head.startswith(expected):
            msg = "it begins with something else"
            raise ModelUnsupported(msg)

    return check


@pytest.mark.parametrize("known", [True, False], ids=["digest known", "digest unknown"])
def test_a_file_that_begins_wrongly_is_refused_before_the_rest_comes(
    kit: Kit, server: FileServer, *, known: bool
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), stall(64 * KIB))
    blob = replace(kit.blob(BIG if known else None), check=refuse_what_is_not(OTHER[:4]))

    with pytest.raises(ModelUnsupported, match="begins with something else"):
        kit.downloader().fetch(blob, kit.blob_store)

    # It is looked at twice only where its digest tells that it might be another one.
    assert len(kit.retries) == (1 if known else 0)
    assert not kit.ready


def test_a_beginning_that_was_damaged_on_the_way_comes_again(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), corrupt(0, answers=1))

    fetched = kit.fetch(replace(kit.blob(BIG), check=refuse_what_is_not(BIG[:4])))

    assert fetched.digest == digest_of(BIG)
    assert kit.retries == ["it begins with something else"]


def test_a_good_beginning_is_looked_at_once(kit: Kit, server: FileServer) -> None:
    seen: list[bytes] = []
    server.routes["/blob"] = faulty(serve_bytes(BIG), times(3, cut(100 * KIB)))

    kit.fetch(replace(kit.blob(BIG), check=seen.append))

    assert [head[:64] for head in seen] == [BIG[:64]]
