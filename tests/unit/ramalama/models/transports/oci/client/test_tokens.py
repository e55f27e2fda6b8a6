"""Credentials are sent to the token service that a registry names, and to no other server."""

from __future__ import annotations

import base64
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from ramalama.models.http.client import open_http
from ramalama.models.http.failures import RetryPolicy
from ramalama.models.transports.oci.client.credentials import Credentials, FoundCredentials
from ramalama.models.transports.oci.client.tokens import Authorizer, TokenError, TokenRefused
from tests.doubles.oci_registry import always
from tests.doubles.server import FileServer, Reply

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx2

HASTE = RetryPolicy(tries=1)
PASSWORD = "open:sesame"  # noqa: S105 (it opens nothing)
ANONYMOUS = FoundCredentials()
ALICE = FoundCredentials(credentials=Credentials(username="alice", password=PASSWORD))
TOKEN = FoundCredentials(credentials=Credentials(identity_token="refresh/me"))  # noqa: S106 (made up)
BASIC = f"Basic {base64.b64encode(f'alice:{PASSWORD}'.encode()).decode()}"
SCOPE = "repository:ai/smollm2:pull,push"


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer() as running:
        running.routes["/token"] = always(Reply.of_json({"token": "t1", "expires_in": 300}))
        yield running


@pytest.fixture
def client() -> Generator[httpx2.Client]:
    with ExitStack() as stack:
        yield stack.enter_context(open_http())


def authorizer(
    client: httpx2.Client, found: FoundCredentials, *, secure: bool = False
) -> Authorizer:
    return Authorizer(client, found, scopes=(SCOPE,), secure=secure, retry_policy=HASTE)


def bearer(server: FileServer, **parameters: str) -> str:
    more = "".join(f',{name}="{value}"' for name, value in parameters.items())
    return f'Bearer realm="{server.url}/token",service="hub"{more}'


def test_nothing_is_shown_before_the_registry_asks(client: httpx2.Client) -> None:
    assert authorizer(client, ALICE).headers() == {}


@pytest.mark.parametrize(
    ("header", "found", "expected"),
    [
        ('Basic realm="r"', ALICE, {"authorization": BASIC}),
        ('Digest nonce="n", Basic realm="r"', ALICE, {"authorization": BASIC}),
        ('Basic realm="r"', ANONYMOUS, {}),
        ('Basic realm="r"', TOKEN, {}),
        ('Digest nonce="n"', ALICE, {}),
        ("", ALICE, {}),
    ],
)
def test_a_password_answers_the_basic_challenge_alone(
    client: httpx2.Client, header: str, found: FoundCredentials, expected: dict[str, str]
) -> None:
    ours = authorizer(client, found)
    ours.learn(header)

    assert ours.headers() == expected


@pytest.mark.parametrize(("found", "shown"), [(ANONYMOUS, None), (ALICE, BASIC)])
def test_a_password_buys_a_token_for_our_scope(
    client: httpx2.Client, server: FileServer, found: FoundCredentials, shown: str | None
) -> None:
    ours = authorizer(client, found)
    ours.learn(f'Basic realm="r", {bearer(server)}')

    assert ours.headers() == {"authorization": "Bearer t1"}
    (request,) = server.requests
    assert parse_qs(urlsplit(request.target).query) == {"service": ["hub"], "scope": [SCOPE]}
    assert request.headers.get("authorization") == shown


def test_an_identity_token_is_posted(client: httpx2.Client, server: FileServer) -> None:
    ours = authorizer(client, TOKEN)
    ours.learn(bearer(server))

    assert ours.headers() == {"authorization": "Bearer t1"}
    (request,) = server.requests
    assert request.method == "POST"
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["refresh/me"],
        "client_id": ["ramalama"],
        "service": ["hub"],
        "scope": [SCOPE],
    }


def test_a_scope_that_the_registry_spells_otherwise_is_asked_for_too(
    client: httpx2.Client, server: FileServer
) -> None:
    ours = authorizer(client, ANONYMOUS)
    ours.learn(bearer(server, scope="project:7:read"))
    ours.headers()
    ours.learn(bearer(server, scope=SCOPE))
    ours.headers()

    asked = [parse_qs(urlsplit(request.target).query)["scope"] for request in server.requests]
    assert asked == [[SCOPE, "project:7:read"], [SCOPE]]


def test_the_query_of_the_realm_stays(client: httpx2.Client, server: FileServer) -> None:
    ours = authorizer(client, ANONYMOUS)
    ours.learn(f'Bearer realm="{server.url}/token?tenant=7"')
    ours.headers()

    assert server.requests[0].query == {"tenant": "7", "scope": SCOPE}


def test_a_token_serves_until_it_ends_or_is_refused(
    client: httpx2.Client, server: FileServer
) -> None:
    numbers = iter(range(9))
    server.routes["/token"] = lambda _request: Reply.of_json({"token": f"t{next(numbers)}"})
    ours = authorizer(client, ANONYMOUS)
    ours.learn(bearer(server))

    tokens = [ours.headers()["authorization"] for _ in range(2)]
    ours.learn(bearer(server))
    tokens += [ours.headers()["authorization"], ours.headers(max_age=60)["authorization"]]
    tokens.append(ours.headers(max_age=0)["authorization"])

    assert tokens == ["Bearer t0", "Bearer t0", "Bearer t1", "Bearer t1", "Bearer t2"]


@pytest.mark.parametrize(
    ("answer", "same"),
    [
        ({"token": "t", "expires_in": 300}, True),
        ({"access_token": "t"}, True),
        ({"token": "", "access_token": "t"}, True),
        ({"token": "t", "expires_in": 10**400}, True),
        ({"token": "t", "expires_in": 3}, False),
        ({"token": "t", "expires_in": -1}, True),
        ({"token": "t", "expires_in": "soon"}, True),
        ({"token": "t", "expires_in": True}, True),
        ({"token": "t", "expires_in": 1e308}, True),
    ],
)
def test_a_lifetime_that_makes_no_sense_is_the_usual_one(
    client: httpx2.Client, server: FileServer, answer: dict[str, object], *, same: bool
) -> None:
    server.routes["/token"] = always(Reply.of_json(answer))
    ours = authorizer(client, ANONYMOUS)
    ours.learn(bearer(server))

    assert ours.headers() == ours.headers() == {"authorization": "Bearer t"}
    assert (len(server.requests) == 1) == same


@pytest.mark.parametrize(
    ("reply", "error", "reason"),
    [
        (Reply(status=401), TokenRefused, r"refused \(401\)"),
        (Reply(status=403), TokenRefused, r"refused \(403\)"),
        (Reply(status=500), TokenError, "answered 500"),
        (Reply(status=404), TokenError, "answered 404"),
        (Reply.of_json({"token": 7}), TokenError, "without a token"),
        (Reply.of_json({"token": "a\r\nX-Evil: b"}), TokenError, "without a token"),
        (Reply.of_json({"token": ""}), TokenError, "without a token"),
        (Reply.of_json(["token"]), TokenError, "without a token"),
        (Reply(body=b"<html>log in here</html>"), TokenError, "without a token"),
        (Reply(body=b'{"token": "a", "token": "b"}'), TokenError, "without a token"),
        (Reply(body=b"[" * 50_000), TokenError, "without a token"),
    ],
)
def test_an_answer_without_a_token_is_an_error_that_says_why(
    client: httpx2.Client, server: FileServer, reply: Reply, error: type[TokenError], reason: str
) -> None:
    server.routes["/token"] = always(reply)
    ours = authorizer(client, ALICE)
    ours.learn(bearer(server))

    with pytest.raises(error, match=f"its token service 127.0.0.1 (answered )?{reason}") as caught:
        ours.headers()
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "realm", ["", "token", "ftp://127.0.0.1/", "https://", "https://a:b@127.0.0.1/", "http://[::1"]
)
def test_a_realm_that_is_no_plain_url_is_refused(client: httpx2.Client, realm: str) -> None:
    ours = authorizer(client, ALICE)
    ours.learn(f'Bearer realm="{realm}"')

    with pytest.raises(TokenError, match="a token service that is not a URL"):
        ours.headers()


def test_a_registry_with_tls_sends_no_password_where_there_is_none(
    client: httpx2.Client, server: FileServer
) -> None:
    ours = authorizer(client, ALICE, secure=True)
    ours.learn(bearer(server))

    with pytest.raises(TokenError, match=r"a token service without TLS, '127\.0\.0\.1'"):
        ours.headers()
    assert server.requests == []


def test_a_redirect_of_the_token_service_gets_no_password(
    client: httpx2.Client, server: FileServer
) -> None:
    server.routes["/elsewhere"] = server.routes["/token"]
    server.routes["/token"] = always(Reply.redirect(f"{server.other_url}/elsewhere"))
    ours = authorizer(client, ALICE)
    ours.learn(bearer(server))

    assert ours.headers() == {"authorization": "Bearer t1"}  # else the other host would complain


def test_an_identity_token_follows_no_redirect(client: httpx2.Client, server: FileServer) -> None:
    server.routes["/token"] = always(Reply.redirect(f"{server.other_url}/token", status=307))
    ours = authorizer(client, TOKEN)
    ours.learn(bearer(server))

    with pytest.raises(TokenError, match="answered 307"):
        ours.headers()
    assert len(server.requests) == 1
