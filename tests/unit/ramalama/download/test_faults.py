"""What servers and networks do wrong, and what becomes of the file."""

from __future__ import annotations

import gzip
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx2
import pytest

from ramalama.download.values import Location
from ramalama.errors import AccessDenied, ModelPullError
from ramalama.http import open_http
from ramalama.transfers import DownloadRetrying
from tests.doubles.faults import (
    Fault,
    SignedUrls,
    after,
    announce,
    corrupt,
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
from tests.lab.certificates import make_certificate
from tests.unit.ramalama.download.kit import (
    IMPATIENT,
    KIB,
    WITHOUT_THEFT,
    Kit,
    digest_of,
    made_up_bytes,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doubles.server import Request

LITTLE = made_up_bytes(200 * KIB)
BIG = made_up_bytes(1024 * KIB + 7)
OTHER = made_up_bytes(1024 * KIB + 7, seed=1)

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
        ModelPullError, match=r"blob cannot be fetched from 127\.0\.0\.1: it answers 5"
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


@pytest.mark.parametrize("content", [LITTLE, BIG], ids=["little", "big"])
def test_a_damaged_file_is_fetched_once_more_on_one_connection(
    kit: Kit, server: FileServer, content: bytes
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(content), corrupt(150_000, answers=1))

    assert kit.fetch(kit.blob(content)).digest == digest_of(content)
    assert any("was announced" in reason for reason in kit.retries)


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
    assert kit.shelf.find(digest_of(content)) is None
    assert len([r for r in server.requests if r.headers["range"].startswith("bytes=0-")]) == 2


def test_a_web_page_is_not_taken_for_a_model(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = serve_bytes(b"<html>Log in</html>", content_type="text/html; a=b")

    with pytest.raises(ModelPullError, match="where blob should be, the server answered with a w"):
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


def test_what_is_compressed_though_nobody_asked_is_not_taken(kit: Kit, server: FileServer) -> None:
    route = serve_bytes(gzip.compress(LITTLE))
    server.routes["/blob"] = faulty(route, with_headers({"content-encoding": "gzip"}))

    with pytest.raises(ModelPullError, match="answered with something compressed"):
        kit.fetch(kit.blob())


def test_much_announced_and_little_sent_is_an_error(kit: Kit, server: FileServer) -> None:
    route = faulty(serve_bytes(LITTLE[: 10 * KIB]), ignore_ranges, announce(10 * 10**9))
    server.routes["/blob"] = route

    with pytest.raises(ModelPullError, match="blob cannot be fetched"):
        kit.fetch(kit.blob())

    used = sum(file.stat().st_blocks * 512 for file in kit.partial_files)
    assert used < 10**6


@pytest.mark.parametrize("fault", [None, ignore_ranges], ids=["in parts", "as a whole"])
def test_another_size_than_the_announced_one_is_an_error(
    kit: Kit, server: FileServer, fault: Fault | None
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), *([fault] if fault else []))

    with pytest.raises(ModelPullError, match="has 1048583 bytes at its server, 204800 were ann"):
        kit.fetch(kit.blob(LITTLE))


@pytest.mark.parametrize("extra", [1, 100 * KIB])
def test_more_bytes_than_announced_are_an_error(kit: Kit, server: FileServer, extra: int) -> None:
    longer = LITTLE + b"x" * extra
    server.routes["/blob"] = faulty(serve_bytes(longer), ignore_ranges, without_length)

    with pytest.raises(
        ModelPullError, match="sends more than the 204800 bytes that were announced"
    ):
        kit.fetch(kit.blob(size=len(LITTLE)))
    assert kit.fetch(kit.blob(LITTLE)).digest == digest_of(LITTLE)


def test_fewer_bytes_than_announced_are_an_error(kit: Kit, server: FileServer) -> None:
    route = faulty(serve_bytes(LITTLE[:-1]), ignore_ranges, without_length)
    server.routes["/blob"] = route

    with pytest.raises(ModelPullError, match="blob cannot be fetched"):
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


def test_a_file_that_never_stays_the_same_is_an_error(kit: Kit, server: FileServer) -> None:
    def answer(request: Request) -> Reply:
        return serve_bytes(BIG, etag=f'"{len(server.requests) // 3}"')(request)

    server.routes["/blob"] = answer

    with pytest.raises(ModelPullError, match="it has changed"):
        kit.fetch(kit.blob())


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


def test_a_secret_never_reaches_the_host_that_we_are_redirected_to(
    kit: Kit, server: FileServer
) -> None:
    server.routes["/blob"] = lambda _: Reply.redirect(f"{server.other_url}/cdn", status=307)
    server.routes["/cdn"] = faulty(serve_bytes(BIG), times(2, cut(10 * KIB)))
    secret = {"authorization": "Bearer s3cret", "cookie": "s=3cret", "x-token": "s3cret"}

    assert kit.fetch(kit.blob(BIG, headers=secret)).digest == digest_of(BIG)
    assert server.asked("/blob")[0].headers.items() >= secret.items()
    for request in server.asked("/cdn"):
        assert request.host == "localhost"
        assert secret.keys().isdisjoint(request.headers)


def test_the_place_that_a_redirect_leads_to_is_remembered(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = lambda _: Reply.redirect(f"{server.other_url}/cdn", status=307)
    server.routes["/cdn"] = serve_bytes(BIG)
    kit.fetch(kit.blob(BIG))

    assert len(server.asked("/blob")) == 1
    assert len(server.asked("/cdn")) >= 17


def test_a_redirect_within_a_host_keeps_the_secret(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = lambda _: Reply.redirect("/moved")
    server.routes["/moved"] = serve_bytes(BIG)
    kit.fetch(kit.blob(BIG, headers={"authorization": "Bearer s3cret"}))

    assert all("authorization" in request.headers for request in server.requests)


def test_redirects_in_a_circle_are_an_error(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = lambda _: Reply.redirect("/blob")

    with pytest.raises(ModelPullError, match="more than 10 redirects"):
        kit.fetch(kit.blob(LITTLE))


@pytest.mark.parametrize("uses", [1, 3])
def test_an_address_that_expires_is_renewed(kit: Kit, server: FileServer, uses: int) -> None:
    signed = SignedUrls(f"{server.other_url}/cdn", uses=uses)
    server.routes["/blob"] = signed.redirect
    server.routes["/cdn"] = signed.guard(serve_bytes(BIG))

    assert kit.fetch(kit.blob(BIG), streams=2).digest == digest_of(BIG)
    assert kit.located > 1
    assert len(server.asked("/blob")) == signed.issued


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_token_that_expires_is_renewed(kit: Kit, server: FileServer, status: int) -> None:
    tokens = ["a", "b"]

    def locate() -> Location:
        return Location(url=f"{server.url}/blob", headers={"authorization": tokens.pop(0)})

    def answer(request: Request) -> Reply:
        if len(server.requests) > 3 and request.headers["authorization"] == "a":
            return Reply(status=status)
        return serve_bytes(BIG)(request)

    server.routes["/blob"] = answer
    blob = replace(kit.blob(BIG), locate=locate)

    assert kit.fetch(blob, streams=1).digest == digest_of(BIG)


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, AccessDenied, "127.0.0.1 does not let us have blob"),
        (403, AccessDenied, "127.0.0.1 does not let us have blob"),
        (404, ModelPullError, "127.0.0.1 does not have blob"),
        (410, ModelPullError, "127.0.0.1 does not have blob"),
        (400, ModelPullError, "127.0.0.1 answers 400"),
        (204, ModelPullError, "127.0.0.1 answers 204"),
    ],
)
def test_a_refusal_is_an_error_at_once(
    kit: Kit, server: FileServer, status: int, error: type[Exception], words: str
) -> None:
    server.routes["/blob"] = lambda _: Reply(status=status)

    with pytest.raises(error, match=words):
        kit.fetch(kit.blob(LITTLE, headers={"authorization": "Bearer s3cret"}))

    assert len(server.requests) == 1
    assert kit.partial_files == []


def test_what_a_transport_says_when_it_is_asked_again_is_the_error(
    kit: Kit, server: FileServer
) -> None:
    def locate() -> Location:
        msg = "your licence has expired"
        raise AccessDenied(msg)

    with pytest.raises(AccessDenied, match="your licence has expired"):
        kit.fetch(replace(kit.blob(LITTLE), locate=locate))
    assert server.requests == []


def test_an_address_with_a_secret_is_in_no_message(kit: Kit) -> None:
    with FileServer() as gone:
        url = f"{gone.url}/blob?signature=s3cret"
    blob = replace(kit.blob(LITTLE), locate=lambda: Location(url=url))

    with pytest.raises(ModelPullError, match=r"from 127\.0\.0\.1: Connection refused") as caught:
        kit.fetch(blob)

    assert "s3cret" not in f"{caught.value}{kit.events}"


def test_a_certificate_that_nobody_vouches_for_is_an_error_at_once(
    kit: Kit, tmp_path: Path
) -> None:
    certificate = make_certificate(tmp_path / "certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    with FileServer(tls=context) as secure:
        blob = replace(kit.blob(LITTLE), locate=lambda: Location(url=f"{secure.url}/blob"))

        with pytest.raises(ModelPullError, match="its certificate is not trusted"):
            kit.fetch(blob)

    assert kit.retries == []


def test_cuts_within_tls_are_survived_too(kit: Kit, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    trusting = ssl.create_default_context(cafile=certificate.ca_file)
    route = faulty(serve_bytes(BIG), times(5, cut(30 * KIB)))
    with FileServer({"/blob": route}, tls=context) as secure, open_http(verify=trusting) as client:
        location = Location(url=f"{secure.url}/blob")
        blob = replace(kit.blob(BIG), client=client, locate=lambda: location)

        assert kit.fetch(blob).digest == digest_of(BIG)


def test_a_client_with_few_connections_is_enough(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), slow(2000 * KIB))
    with httpx2.Client(limits=httpx2.Limits(max_connections=1)) as client:
        blob = replace(kit.blob(BIG), client=client)

        assert kit.fetch(blob).digest == digest_of(BIG)
