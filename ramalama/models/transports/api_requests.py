"""Asking the servers of models for small things, and what goes wrong in it, in a line."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2

from ramalama.errors import ModelPullError
from ramalama.models.http.client import AnswerTooLong, ask
from ramalama.models.http.retry import RetryPolicy, TransientError, advise
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama.models.http.client import HttpAnswer

PATIENCE = RetryPolicy()
LONGEST_DETAIL = 200  # characters of an answer that may be a proxy's, a page of HTML


def ask_server(
    client: httpx2.Client,
    url: str,
    *,
    accept: str = "*/*",
    limit: int,
    retry_policy: RetryPolicy = PATIENCE,
) -> HttpAnswer:
    """Read an answer of at most *limit* bytes, whatever its status.

    Raises:
        ModelPullError: there is none, or it would come from a place without TLS.
    """
    with translated(url):
        answer = ask(
            client, url, headers={"accept": accept}, limit=limit, retry_policy=retry_policy
        )
    refuse_downgrade(url, answer.url)
    return answer


@contextmanager
def translated(url: str) -> Generator[None]:
    """Turn what goes wrong in talking to the server of *url* into `ModelPullError`."""
    try:
        yield
    except AnswerTooLong as exc:
        msg = f"{server_of(url)} sends too much: {exc}"
        raise ModelPullError(msg) from exc
    except TransientError as exc:
        cause = exc.__cause__
        reason = advise(cause) if isinstance(cause, httpx2.HTTPError) else str(exc)
        msg = f"{server_of(url)} cannot be asked: {one_line(reason)}"
        raise ModelPullError(msg) from exc
    except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
        msg = f"{server_of(url)} cannot be asked: {one_line(advise(exc))}"
        raise ModelPullError(msg) from exc


def refuse_downgrade(asked: str, answered: str) -> None:
    """Believe no answer without TLS to a question with it.

    Raises:
        ModelPullError: that is what *answered* would be, where *asked* was redirected to.
    """
    if asked.startswith("https:") and not answered.startswith("https:"):
        msg = f"{server_of(asked)} leads to a place without TLS, whose answers are not believed"
        raise ModelPullError(msg)


def server_of(url: str) -> str:
    """Return host and port; not the user and password that the address of a mirror may have."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2]
