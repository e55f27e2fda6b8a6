"""What failures of servers may pass, and how often we come back to find out."""

from __future__ import annotations

import re
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2
import tenacity

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

# Answers of a server that may have another one in a moment; from 520 on Cloudflare's.
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})

_LONGEST_PAUSE = 30.0


class TransientError(Exception):
    """It failed, and might not in a moment; *pause* is how many seconds the server asked for."""

    def __init__(self, reason: str, *, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often we come back to a server that fails.

    Attributes:
        tries: requests in all, as long as none brings anything.
        first: seconds before the second one; they double from then on. Up to as many are added by
            chance to each pause, since clients that failed together should not return together.
        longest: seconds; a server that wants to be left alone for longer is not asked again.
        sleep: lets seconds pass.
        tell: is told who is asked again and why, and after how many seconds.
    """

    tries: int = 4
    first: float = 0.5
    longest: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    tell: Callable[[str, float], None] = lambda _reason, _seconds: None

    def retrying(
        self, before_pause: Callable[[TransientError, float], None] | None = None
    ) -> tenacity.Retrying:
        """Make what calls a function again that raises `TransientError`, and raises the last one.

        *before_pause* is told the failure, and for how many seconds nothing happens now.
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


@contextmanager
def transient_errors() -> Generator[None]:
    """Raise `TransientError` from those exceptions of httpx2 that another try may spare us."""
    try:
        yield
    except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError):
        raise
    except httpx2.TransportError as exc:
        if _has_no_tls(exc):
            raise
        raise TransientError(explain(exc)) from exc


def explain(exc: httpx2.HTTPError | httpx2.InvalidURL) -> str:
    """Say in a few words, without a URL (it may be signed), why a server gave no answer."""
    match exc, _origin(exc):
        case httpx2.ConnectTimeout(), _:
            return "it does not answer"
        case httpx2.TimeoutException(), _:
            return "it has stopped sending"
        case _, ssl.SSLCertVerificationError() as origin:
            return f"its certificate is not trusted ({origin.verify_message})"
        case _, ssl.SSLError() as origin if _has_no_tls(exc):
            plain = "WRONG_VERSION_NUMBER" in str(origin)
            return "it does not speak TLS" if plain else f"TLS does not begin with it ({origin})"
        case _, OSError() as origin:
            return origin.strerror or str(origin)
        case _:
            return str(exc) or type(exc).__name__


def advise(exc: httpx2.HTTPError | httpx2.InvalidURL) -> str:
    """As `explain`, and then what the user could look at."""
    match exc, _origin(exc):
        case _, ssl.SSLCertVerificationError():
            remedy = "; SSL_CERT_FILE can name more authorities"
        case _, ssl.SSLError() if _has_no_tls(exc):
            remedy = "; if it is to be asked without TLS, write http://"
        case ((httpx2.NetworkError() | httpx2.TimeoutException()), _):
            remedy = "; check the address, the network and the proxy"
        case _:
            remedy = ""
    return explain(exc) + remedy


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds a server wants to be left alone, None if it does not say.

    ``Retry-After`` (RFC 9110), seconds or a date; Hugging Face's ``RateLimit: "api";r=0;t=55``.
    Names of headers are in lower case.
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
    """Tell whether the beginning of TLS failed for a reason that stays, such as a certificate."""
    origin = _origin(exc)
    return (
        isinstance(exc, httpx2.ConnectError)
        and isinstance(origin, ssl.SSLError)
        and not isinstance(origin, ssl.SSLEOFError)
    )


def _origin(exc: BaseException) -> BaseException:
    """Return the first exception of the chain that ended in *exc*."""
    while (earlier := exc.__cause__ or exc.__context__) is not None:
        exc = earlier
    return exc


def _failure(state: tenacity.RetryCallState) -> TransientError:
    """Return what the last try raised."""
    failure = state.outcome.exception() if state.outcome else None
    return failure if isinstance(failure, TransientError) else TransientError("")
