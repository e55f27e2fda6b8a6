"""Send a request again while the server is busy or still loads its model."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.failures import said

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

_BUSY = 429  # too many requests
_UNAVAILABLE = 503
_LONGEST_LOADING = 600.0  # seconds; from a slow disk, a large model takes minutes
_MOST_ATTEMPTS = 4  # within about a second, if the server does not say that it loads


def send_patiently(send: Callable[[], T], on_loading: Callable[[], None]) -> T:
    """Return what *send* returns; call it again if the server may accept the request soon.

    The server has not begun with such a request, so none is answered twice. If it says that it
    loads its model, it is waited for, up to ten minutes, and *on_loading* is called before each
    wait.
    """
    try:
        return send()
    except openai.APIError as exc:
        if not _is_transient(exc):
            raise
    return _send_again(send, on_loading)


def _send_again(send: Callable[[], T], on_loading: Callable[[], None]) -> T:
    # Rarely needed, so it is not imported at start-up.
    from tenacity import Retrying, retry_if_exception, wait_exponential  # noqa: PLC0415

    def before_sleep(state: "RetryCallState") -> None:
        if _is_loading(_failure(state)):
            on_loading()

    retrying = Retrying(
        retry=retry_if_exception(_is_transient),
        wait=wait_exponential(multiplier=0.1, max=0.5),
        stop=_gives_up,
        before_sleep=before_sleep,
        reraise=True,
    )
    return retrying(send)


def _gives_up(state: "RetryCallState") -> bool:
    if _is_loading(_failure(state)):
        return (state.seconds_since_start or 0.0) >= _LONGEST_LOADING
    return state.attempt_number >= _MOST_ATTEMPTS


def _failure(state: "RetryCallState") -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _is_transient(exc: BaseException) -> bool:
    """Return whether the server has not begun with the request, but may accept it soon."""
    if isinstance(exc, openai.APIStatusError):
        return exc.status_code in (_BUSY, _UNAVAILABLE)
    return isinstance(exc.__cause__, httpx2.ConnectError)


def _is_loading(exc: BaseException | None) -> bool:
    """Return whether the server says that it loads its model, as llama-server does."""
    if not isinstance(exc, openai.APIStatusError) or exc.status_code != _UNAVAILABLE:
        return False
    return "loading" in said(exc.body).lower()
