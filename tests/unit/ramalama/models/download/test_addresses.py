"""Where the bytes are: redirects, secrets, signatures that expire, and refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx2
import pytest

from ramalama.errors import AccessDenied, ModelPullError
from ramalama.models.download.values import Location
from tests.doubles.faults import (
    SignedUrls,
    cut,
    faulty,
    times,
)
from tests.doubles.server import FileServer, Reply, serve_bytes
from tests.unit.ramalama.models.download.kit import (
    KIB,
    Kit,
    digest_of,
    made_up_bytes,
)

if TYPE_CHECKING:
    from tests.doubles.server import Request

LITTLE = made_up_bytes(200 * KIB)
BIG = made_up_bytes(1024 * KIB + 7)


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
        assert request.headers["accept-encoding"] == "identity"
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


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
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
        (401, AccessDenied, "127.0.0.1 refuses access to blob"),
        (403, AccessDenied, "127.0.0.1 refuses access to blob"),
        (404, ModelPullError, "127.0.0.1 does not have blob"),
        (410, ModelPullError, "127.0.0.1 does not have blob"),
        (400, ModelPullError, "127.0.0.1 rejects the request"),
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


def test_a_transport_that_cannot_reach_its_server_is_asked_again(
    kit: Kit, server: FileServer
) -> None:
    server.routes["/blob"] = serve_bytes(LITTLE)
    failures = [httpx2.ConnectError("no route"), httpx2.ReadTimeout("silence")]

    def locate() -> Location:
        if failures:
            raise failures.pop()
        return Location(url=f"{server.url}/blob")

    assert kit.fetch(replace(kit.blob(LITTLE), locate=locate)).digest == digest_of(LITTLE)
    assert kit.retries == ["it has stopped sending", "no route"]


@pytest.mark.parametrize("url", ["http://[", "nonsense", "gopher://127.0.0.1/"])
def test_an_address_that_is_none_is_an_error(kit: Kit, url: str) -> None:
    blob = replace(kit.blob(LITTLE), locate=lambda: Location(url=url))

    with pytest.raises(ModelPullError, match="blob cannot be downloaded from"):
        kit.fetch(blob)


def test_an_address_with_a_secret_is_in_no_message(kit: Kit) -> None:
    with FileServer() as gone:
        url = f"{gone.url}/blob?signature=s3cret"
    blob = replace(kit.blob(LITTLE), locate=lambda: Location(url=url))

    with pytest.raises(ModelPullError, match=r"from 127\.0\.0\.1: Connection refused") as caught:
        kit.fetch(blob)

    assert "s3cret" not in f"{caught.value}{kit.events}"


def test_an_untrusted_certificate_is_an_error_at_once(kit: Kit, secure_server: FileServer) -> None:
    location = Location(url=f"{secure_server.url}/blob")

    with pytest.raises(ModelPullError, match="its certificate is not trusted"):
        kit.fetch(replace(kit.blob(LITTLE), locate=lambda: location))

    assert kit.retries == []
