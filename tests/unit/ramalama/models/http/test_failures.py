"""What passes, how long to wait for it, and when to give up."""

from __future__ import annotations

import email.utils
import ssl
import time

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.models.http.failures import (
    RetryPolicy,
    TransientError,
    advise,
    asked_pause,
    explain,
    transient_errors,
)


def fail_until_patience_ends(retry_policy: RetryPolicy, pause: float | None = None) -> int:
    """Return how many tries there were."""
    tries = 0

    def fail() -> None:
        nonlocal tries
        tries += 1
        msg = "no"
        raise TransientError(msg, pause=pause)

    with pytest.raises(TransientError):
        retry_policy.retrying()(fail)
    return tries


def test_what_passes_is_tried_again_after_pauses_that_grow() -> None:
    pauses: list[float] = []
    tries = fail_until_patience_ends(RetryPolicy(tries=5, first=1.0, sleep=pauses.append))

    assert tries == 5
    for pause, shortest in zip(pauses, (1, 2, 4, 8), strict=True):
        assert shortest <= pause <= shortest + 1


def test_no_pause_is_longer_than_half_a_minute_and_some_jitter() -> None:
    pauses: list[float] = []
    fail_until_patience_ends(RetryPolicy(tries=12, sleep=pauses.append))

    assert 30 <= max(pauses) <= 30.5


def test_a_server_that_says_when_to_come_back_is_believed() -> None:
    pauses: list[float] = []
    fail_until_patience_ends(RetryPolicy(tries=2, first=0.5, sleep=pauses.append), pause=42)

    assert 42 <= pauses[0] <= 42.5


def test_a_server_that_wants_to_be_left_alone_for_too_long_is() -> None:
    retry_policy = RetryPolicy(tries=9, longest=60, sleep=lambda _: None)

    assert fail_until_patience_ends(retry_policy, pause=61) == 1


def test_other_exceptions_end_it_at_once() -> None:
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        RetryPolicy(sleep=lambda _: None).retrying()(fail)

    assert len(tries) == 1


def test_each_pause_is_reported_with_its_reason_and_length() -> None:
    heard: list[tuple[str, float]] = []
    answers = iter([TransientError("tired", pause=3), None])

    def ask() -> None:
        if (failure := next(answers)) is not None:
            raise failure

    retry_policy = RetryPolicy(first=0, sleep=lambda _: None)
    retry_policy.retrying(lambda failure, pause: heard.append((str(failure), pause)))(ask)

    assert heard == [("tired", 3)]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "17"}, 17),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": email.utils.formatdate(0, usegmt=True)}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "Tue, 99 Foo 0000 99:99:99 GMT"}, None),
        ({"ratelimit": '"api";r=0;t=55'}, 55),
        ({"ratelimit": '"resolvers"; r=0; t=300'}, 300),
        ({"ratelimit": '"api";r=0'}, None),
        ({"retry-after": "3", "ratelimit": '"api";r=0;t=55'}, 3),
    ],
)
def test_servers_say_in_three_ways_when_to_come_back(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert asked_pause(headers) == seconds


def test_a_date_to_come_back_on_is_a_pause_from_now() -> None:
    date = email.utils.formatdate(time.time() + 100, usegmt=True)

    assert asked_pause({"retry-after": date}) == pytest.approx(99, abs=2)


@given(st.text(), st.text())
def test_no_header_can_be_so_odd_as_to_raise(after: str, limit: str) -> None:
    pause = asked_pause({"retry-after": after, "ratelimit": limit})

    assert pause is None or pause >= 0


@pytest.mark.parametrize(
    "failure",
    [
        httpx2.ConnectError("refused"),
        httpx2.ReadError("reset"),
        httpx2.ReadTimeout("silence"),
        httpx2.ConnectTimeout("silence"),
        httpx2.RemoteProtocolError("cut off"),
        httpx2.ProxyError("bad gateway"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_broken_connections_pass(failure: Exception) -> None:
    with pytest.raises(TransientError), transient_errors():
        raise failure


@pytest.mark.parametrize(
    "failure",
    [
        httpx2.UnsupportedProtocol("gopher"),
        httpx2.TooManyRedirects("loop"),
        httpx2.LocalProtocolError("our fault"),
        httpx2.InvalidURL("no URL"),
        OSError("the disk"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_what_would_fail_again_does_not_pass(failure: Exception) -> None:
    with pytest.raises(type(failure)), transient_errors():
        raise failure


@pytest.mark.parametrize(
    ("failure", "origin", "passes"),
    [
        (httpx2.ConnectError, ssl.SSLCertVerificationError("unknown authority"), False),
        (httpx2.ConnectError, ssl.SSLError("wrong version number"), False),
        (httpx2.ConnectError, ssl.SSLEOFError("broke off"), True),
        (httpx2.ReadError, ssl.SSLError("bad record"), True),
        (httpx2.ConnectError, ConnectionRefusedError(111, "Connection refused"), True),
    ],
)
def test_of_failures_of_tls_those_pass_that_are_not_about_how_it_begins(
    failure: type[httpx2.TransportError], origin: Exception, *, passes: bool
) -> None:
    raised = failure("TLS")

    with pytest.raises(TransientError if passes else failure), transient_errors():
        raise raised from origin


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (httpx2.ConnectTimeout(""), "it does not answer"),
        (httpx2.ReadTimeout("timed out"), "it has stopped sending"),
        (httpx2.RemoteProtocolError("cut off"), "cut off"),
        (httpx2.ReadError(""), "ReadError"),
    ],
)
def test_a_failure_is_explained_in_a_few_words(failure: httpx2.HTTPError, words: str) -> None:
    assert explain(failure) == words


def _caused(failure: httpx2.HTTPError, origin: Exception) -> httpx2.HTTPError:
    failure.__cause__ = origin
    return failure


def _not_trusted(reason: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(reason)
    error.verify_message = reason
    return error


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (
            _caused(httpx2.ConnectError(""), ConnectionRefusedError(111, "Connection refused")),
            "Connection refused; check the address, the network and the proxy",
        ),
        (
            _caused(httpx2.ConnectError(""), ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong")),
            "it does not use TLS; to use it without TLS, write http://",
        ),
        (
            _caused(httpx2.ConnectError(""), _not_trusted("self-signed")),
            "(self-signed); add its authority with SSL_CERT_FILE",
        ),
        (httpx2.RemoteProtocolError("nonsense"), "nonsense"),
    ],
)
def test_a_failure_comes_with_what_could_be_looked_at(
    failure: httpx2.HTTPError, words: str
) -> None:
    assert advise(failure).endswith(words)
