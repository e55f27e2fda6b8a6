"""Recognize failures of requests, decide how often to retry, and report errors in one line."""

from __future__ import annotations

import re
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2
import tenacity

from ramalama.errors import ModelPullError
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping


# Statuses that may be different in a moment; those from 520 on are Cloudflare's.
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})

_LONGEST_PAUSE = 30.0  # seconds
LONGEST_DETAIL = 200  # characters shown of an answer, which may be a proxy's HTML page


class AnswerTooLong(Exception):
    """The server sends more than a reasonable answer can have."""


class TransientError(Exception):
    """A failure that a retry may avoid; *pause* is the delay that the server wants, in seconds."""

    def __init__(self, reason: str, *, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a failed request is repeated, and when.

    Attributes:
        tries: the largest number of requests while none brings any data.
        first: seconds before the second request; the pause doubles each time. A random time of up
            to *first* is added, so that clients that failed together do not return together.
        longest: seconds; if a server asks for a longer pause, the request is not repeated.
        sleep: waits for so many seconds.
        tell: called before each pause with the reason and the seconds.
    """

    tries: int = 4
    first: float = 0.5
    longest: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    tell: Callable[[str, float], None] = lambda _reason, _seconds: None

    def retrying(
        self, before_pause: Callable[[TransientError, float], None] | None = None
    ) -> tenacity.Retrying:
        """Return a caller that repeats a function after each `TransientError`; it raises the last.

        *before_pause* gets the error and the seconds of the pause.
        """
        chance = tenacity.wait_random(0, self.first)
        backoff = tenacity.wait_exponential(multiplier=self.first, max=_LONGEST_PAUSE)

        def pause(state: tenacity.RetryCallState) -> float:
            asked = _failure(state).pause
            return chance(state) + (backoff(state) if asked is None else asked)

        def give_up(state: tenacity.RetryCallState) -> bool:
            asked = _failure(state).pause or 0
            return state.attempt_number >= self.tries or asked > self.longest

        def tell(state: tenacity.RetryCallState) -> None:
            if before_pause is not None:
                before_pause(_failure(state), state.upcoming_sleep)

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            wait=pause,
            stop=give_up,
            sleep=self.sleep,
            before_sleep=tell,
            reraise=True,
        )


DEFAULT_RETRY_POLICY = RetryPolicy()


@contextmanager
def transient_errors() -> Generator[None]:
    """Turn those exceptions of httpx2 into `TransientError` that a retry may avoid."""
    try:
        yield
    except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError):
        raise
    except httpx2.TransportError as exc:
        if _has_no_tls(exc) or _is_refused_by_proxy(exc):
            raise
        raise TransientError(explain(exc)) from exc


def explain(exc: httpx2.HTTPError | httpx2.InvalidURL) -> str:
    """Explain briefly, without the URL (it may be signed), why a server gave no answer."""
    match exc:
        case httpx2.ConnectTimeout():
            return "it does not answer"
        case httpx2.TimeoutException():
            return "it has stopped sending"
        case httpx2.ProxyError():
            return f"the proxy refuses the connection ({exc})"
        case _:
            return _explain_origin(exc)


def _explain_origin(exc: httpx2.HTTPError | httpx2.InvalidURL) -> str:
    match _origin(exc):
        case ssl.SSLCertVerificationError() as origin:
            return f"its certificate is not trusted ({origin.verify_message})"
        case ssl.SSLError() as origin if _has_no_tls(exc):
            plain = "WRONG_VERSION_NUMBER" in str(origin)
            return "it does not use TLS" if plain else f"the TLS handshake failed ({origin})"
        case OSError() as origin:
            return origin.strerror or str(origin)
        case _:
            return str(exc) or type(exc).__name__


def advise(exc: httpx2.HTTPError | httpx2.InvalidURL) -> str:
    """Explain the error as `explain` does, and add what the user can check."""
    match exc, _origin(exc):
        case _, ssl.SSLCertVerificationError():
            remedy = "; add its authority with SSL_CERT_FILE"
        case _, ssl.SSLError() if _has_no_tls(exc):
            remedy = "; to use it without TLS, write http://"
        case httpx2.ProxyError(), _:
            remedy = "; user and password belong into the address of the proxy"
        case ((httpx2.NetworkError() | httpx2.TimeoutException()), _):
            remedy = "; check the address, the network and the proxy"
        case _:
            remedy = ""
    return explain(exc) + remedy


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds a server asks clients to wait; None if it does not say.

    The sources are ``Retry-After`` (RFC 9110), in seconds or a date, and Hugging Face's
    ``RateLimit: "api";r=0;t=55``. Names of headers must be in lower case.
    """
    after = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,9}", after):
        return float(after)
    if (date := _parse_date(after)) is not None:
        return max(0.0, date - time.time())
    reset = re.search(r";\s*t=([0-9]{1,9})\b", headers.get("ratelimit", ""))
    return float(reset[1]) if reset else None


def _parse_date(text: str) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 (hardly ever needed)

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _has_no_tls(exc: httpx2.HTTPError | httpx2.InvalidURL) -> bool:
    """Return whether TLS failed for a permanent reason, such as a certificate."""
    origin = _origin(exc)
    return (
        isinstance(exc, httpx2.ConnectError)
        and isinstance(origin, ssl.SSLError)
        and not isinstance(origin, ssl.SSLEOFError)
    )


def _is_refused_by_proxy(exc: httpx2.TransportError) -> bool:
    """Return whether a proxy refuses for a permanent reason, such as a missing password."""
    return isinstance(exc, httpx2.ProxyError) and str(exc).startswith("4")


def _origin(exc: BaseException) -> BaseException:
    """Return the first exception of the chain that led to *exc*."""
    while (earlier := exc.__cause__ or exc.__context__) is not None:
        exc = earlier
    return exc


def _failure(state: tenacity.RetryCallState) -> TransientError:
    """Return the exception of the last attempt."""
    failure = state.outcome.exception() if state.outcome else None
    return failure if isinstance(failure, TransientError) else TransientError("")


@contextmanager
def translated(url: str) -> Generator[None]:
    """Turn an error of a request to the server of *url* into a `ModelPullError`."""
    try:
        yield
    except AnswerTooLong as exc:
        msg = f"{server_of(url)} sends too much: {exc}"
        raise ModelPullError(msg) from exc
    except TransientError as exc:
        cause = exc.__cause__
        reason = advise(cause) if isinstance(cause, httpx2.HTTPError) else str(exc)
        msg = f"{server_of(url)} cannot be used: {one_line(reason)}"
        raise ModelPullError(msg) from exc
    except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
        msg = f"{server_of(url)} cannot be used: {one_line(advise(exc))}"
        raise ModelPullError(msg) from exc


def refuse_downgrade(asked: str, answered: str) -> None:
    """Reject an answer that came without TLS to a request with TLS.

    Raises:
        ModelPullError: *asked* used TLS, but *answered*, to which it was redirected, does not.
    """
    if asked.startswith("https:") and not answered.startswith("https:"):
        msg = f"{server_of(asked)} redirects to a server without TLS, whose answers are not trusted"
        raise ModelPullError(msg)


def server_of(url: str) -> str:
    """Return host and port of *url*, without a user and password, which a mirror's URL may have."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2]
