"""Small answers, over real sockets."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx2
import pytest

from ramalama.models.http.client import ask, open_http, send
from ramalama.models.http.failures import AnswerTooLong, RetryPolicy
from tests.doubles.faults import announce, cut, faulty, refuse, times
from tests.doubles.server import FileServer, Reply, Request, serve_bytes
from tests.lab.certificates import Certificate, make_certificate

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

SECRETS = {"authorization": "Bearer s3cret", "cookie": "m_session_id=s3cret", "x-token": "s3cret"}
ASK = """
import sys
from dataclasses import replace
from ramalama.models.http.client import ask, open_http
from ramalama.models.http.failures import RetryPolicy
with open_http() as client:
    print(ask(client, sys.argv[1], retry_policy=RetryPolicy(tries=1)).body.decode())
"""


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer() as running:
        yield running


@pytest.fixture
def client() -> Generator[httpx2.Client]:
    with open_http() as opened:
        yield opened


def in_no_time(pauses: list[float] | None = None, *, tries: int = 4) -> RetryPolicy:
    kept: list[float] = [] if pauses is None else pauses
    return RetryPolicy(tries=tries, first=0.0, sleep=kept.append)


def test_an_answer_says_where_it_came_from(server: FileServer, client: httpx2.Client) -> None:
    server.routes["/old"] = lambda _: Reply.redirect("/new")
    server.routes["/new"] = serve_bytes(b"hello", etag='"7"')

    answer = ask(client, f"{server.url}/old")

    assert (answer.ok, answer.body, answer.url) == (True, b"hello", f"{server.url}/new")
    assert answer.headers["etag"] == '"7"'


def test_bytes_are_asked_for_as_they_are_and_we_say_who_we_are(
    server: FileServer, client: httpx2.Client
) -> None:
    server.routes["/file"] = serve_bytes(b"hello")
    ask(client, f"{server.url}/file")

    (request,) = server.requests
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"].startswith("ramalama/")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_an_answer_that_passes_is_asked_for_again(
    server: FileServer, client: httpx2.Client, status: int
) -> None:
    server.routes["/file"] = faulty(serve_bytes(b"hello"), times(3, refuse(Reply(status=status))))

    answer = ask(client, f"{server.url}/file", retry_policy=in_no_time())

    assert answer.body == b"hello"
    assert len(server.requests) == 4


def test_what_is_asked_for_again_is_logged_without_its_address(
    server: FileServer, client: httpx2.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "ramalama.http")
    server.routes["/file"] = faulty(serve_bytes(b"hello"), times(1, refuse(Reply(status=503))))
    ask(client, f"{server.url}/file?token=s3cret", retry_policy=in_no_time())

    assert caplog.messages == ["retrying 127.0.0.1 in 0.0 s: it answers 503"]


def test_an_answer_that_does_not_pass_is_returned_in_the_end(
    server: FileServer, client: httpx2.Client
) -> None:
    server.routes["/file"] = lambda _: Reply(status=503, body=b"closed for today")

    answer = ask(client, f"{server.url}/file", retry_policy=in_no_time(tries=3))

    assert (answer.status, answer.body) == (503, b"closed for today")
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 416, 501])
def test_a_refusal_is_an_answer(server: FileServer, client: httpx2.Client, status: int) -> None:
    server.routes["/file"] = lambda _: Reply(status=status)

    assert ask(client, f"{server.url}/file").status == status
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "headers", [{"retry-after": "7"}, {"ratelimit": '"api";r=0;t=7'}], ids=["standard", "hub"]
)
def test_a_server_says_when_to_come_back(
    server: FileServer, client: httpx2.Client, headers: dict[str, str]
) -> None:
    busy = refuse(Reply(status=429, headers=headers))
    server.routes["/file"] = faulty(serve_bytes(b"hello"), times(1, busy))
    pauses: list[float] = []

    assert ask(client, f"{server.url}/file", retry_policy=in_no_time(pauses)).ok
    assert pauses == [7.0]


def test_a_server_that_wants_an_hour_is_not_waited_for(
    server: FileServer, client: httpx2.Client
) -> None:
    server.routes["/file"] = lambda _: Reply(status=429, headers={"retry-after": "3600"})

    answer = ask(client, f"{server.url}/file", retry_policy=in_no_time())

    assert answer.headers["retry-after"] == "3600"
    assert len(server.requests) == 1


def test_an_answer_that_breaks_off_is_asked_for_again(
    server: FileServer, client: httpx2.Client
) -> None:
    server.routes["/file"] = faulty(serve_bytes(b"hello"), times(2, cut(3)))

    assert ask(client, f"{server.url}/file", retry_policy=in_no_time()).body == b"hello"


def test_the_last_failure_is_raised_where_there_is_no_answer(client: httpx2.Client) -> None:
    with FileServer() as gone:
        url = gone.url
    pauses: list[float] = []

    with pytest.raises(httpx2.ConnectError):
        ask(client, url, retry_policy=in_no_time(pauses))

    assert len(pauses) == 3


def test_no_more_is_read_than_makes_sense(server: FileServer, client: httpx2.Client) -> None:
    server.routes["/file"] = faulty(serve_bytes(b"x" * 1000), announce(10**12))

    with pytest.raises(AnswerTooLong, match="longer than 999 bytes"):
        ask(client, f"{server.url}/file", limit=999)


def test_secrets_stay_with_the_host_that_they_are_for(
    server: FileServer, client: httpx2.Client
) -> None:
    server.routes["/here"] = lambda _: Reply.redirect("/there")
    server.routes["/there"] = lambda _: Reply.redirect(f"{server.other_url}/elsewhere")
    server.routes["/elsewhere"] = serve_bytes(b"hello")

    answer = ask(client, f"{server.url}/here", headers={**SECRETS, "accept": "text/plain"})

    assert answer.body == b"hello"
    here, there, elsewhere = server.requests
    assert here.headers.items() >= SECRETS.items()
    assert there.headers.items() >= SECRETS.items()
    assert SECRETS.keys().isdisjoint(elsewhere.headers)
    assert elsewhere.headers["accept"] == "text/plain"


def test_a_secret_does_not_come_back_from_a_detour(
    server: FileServer, client: httpx2.Client
) -> None:
    server.routes["/here"] = lambda _: Reply.redirect(f"{server.other_url}/elsewhere")
    server.routes["/elsewhere"] = lambda _: Reply.redirect(f"{server.url}/back")
    server.routes["/back"] = serve_bytes(b"hello")

    ask(client, f"{server.url}/here", headers=SECRETS)

    assert SECRETS.keys().isdisjoint(server.asked("/back")[0].headers)


def test_redirects_in_a_circle_end(server: FileServer, client: httpx2.Client) -> None:
    server.routes["/file"] = lambda _: Reply.redirect("/file")

    with pytest.raises(httpx2.TooManyRedirects):
        ask(client, f"{server.url}/file")

    assert len(server.requests) == 11


def test_a_redirect_with_an_endless_body_is_followed_all_the_same(
    server: FileServer, client: httpx2.Client
) -> None:
    def endless(_request: Request) -> Reply:
        headers = {"location": "/file"}
        return Reply(status=302, headers=headers, body=b"x" * 10**6, length=10**12)

    server.routes["/old"] = endless
    server.routes["/file"] = serve_bytes(b"hello")

    assert ask(client, f"{server.url}/old").body == b"hello"


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("http://127.0.0.1:port/", httpx2.RemoteProtocolError),
        (":x:y", httpx2.RemoteProtocolError),
        ("file:///etc/passwd", httpx2.UnsupportedProtocol),
        ("gopher://127.0.0.1/", httpx2.UnsupportedProtocol),
    ],
)
def test_a_redirect_to_what_is_no_web_server_is_an_error(
    server: FileServer, client: httpx2.Client, location: str, error: type[Exception]
) -> None:
    server.routes["/file"] = lambda _: Reply.redirect(location)

    with pytest.raises(error):
        ask(client, f"{server.url}/file", retry_policy=in_no_time())


def test_what_is_sent_is_for_one_server_alone(server: FileServer, client: httpx2.Client) -> None:
    server.routes["/here"] = lambda _: Reply.redirect(f"{server.other_url}/there", status=307)

    answer = send(client, "PUT", f"{server.url}/here", content=b"for you", headers=SECRETS)

    assert answer.status == 307
    assert [(request.method, request.body) for request in server.requests] == [("PUT", b"for you")]


def test_a_redirect_of_what_is_sent_to_no_url_is_an_error(
    server: FileServer, client: httpx2.Client
) -> None:
    server.routes["/here"] = lambda _: Reply.redirect(":x:y", status=307)

    with pytest.raises(
        httpx2.RemoteProtocolError, match="a redirect to something that is not a URL"
    ):
        send(client, "PUT", f"{server.url}/here", content=b"for you")


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path / "certificate")


@pytest.fixture
def secure_server(certificate: Certificate) -> Generator[FileServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    with FileServer({"/file": serve_bytes(b"hello")}, tls=context) as running:
        yield running


def ask_elsewhere(url: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Ask in a process with no other environment than this."""
    command = [sys.executable, "-c", ASK, url]
    env = {"PYTHONPATH": os.pathsep.join(sys.path), **env}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_a_private_authority_is_named_by_the_environment(
    secure_server: FileServer, certificate: Certificate
) -> None:
    url = f"{secure_server.url}/file"

    assert ask_elsewhere(url, SSL_CERT_FILE=str(certificate.ca_file)).stdout == "hello\n"
    assert "CERTIFICATE_VERIFY_FAILED" in ask_elsewhere(url).stderr


def test_an_untrusted_certificate_is_not_retried(
    secure_server: FileServer, client: httpx2.Client
) -> None:
    pauses: list[float] = []

    with pytest.raises(httpx2.ConnectError):
        ask(client, f"{secure_server.url}/file", retry_policy=in_no_time(pauses))

    assert pauses == []


def test_an_answer_that_breaks_off_within_tls_is_asked_for_again(
    secure_server: FileServer, certificate: Certificate
) -> None:
    secure_server.routes["/file"] = faulty(serve_bytes(b"hello"), times(2, cut(3)))
    context = ssl.create_default_context(cafile=certificate.ca_file)

    with open_http(verify=context) as client:
        answer = ask(client, f"{secure_server.url}/file", retry_policy=in_no_time())

    assert answer.body == b"hello"


def test_a_proxy_is_named_by_the_environment_and_so_is_who_needs_none(server: FileServer) -> None:
    server.routes["/file"] = serve_bytes(b"by proxy")
    url = "http://nowhere.invalid/file"

    assert ask_elsewhere(url, HTTP_PROXY=server.url).stdout == "by proxy\n"
    assert [request.target for request in server.requests] == [url]
    refused = ask_elsewhere(url, HTTP_PROXY=server.url, NO_PROXY="nowhere.invalid")
    assert "ConnectError" in refused.stderr


def test_a_retry_is_reported_with_its_server_and_reason(
    server: FileServer, client: httpx2.Client
) -> None:
    heard: list[tuple[str, float]] = []

    def hear(reason: str, pause: float) -> None:
        heard.append((reason, pause))

    retry_policy = replace(in_no_time(), tell=hear)
    server.routes["/file"] = faulty(serve_bytes(b"hello"), times(1, refuse(Reply(status=503))))

    ask(client, f"{server.url}/file?token=s3cret", retry_policy=retry_policy)

    address = server.url.partition("://")[2]
    assert heard == [(f"{address} cannot be used: it answers 503", heard[0][1])]
