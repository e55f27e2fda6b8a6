"""Request small answers from the servers of models, and report errors in one line."""

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

DEFAULT_RETRY_POLICY = RetryPolicy()
LONGEST_DETAIL = 200  # characters shown of an answer, which may be a proxy's HTML page


def ask_server(
    client: httpx2.Client,
    url: str,
    *,
    accept: str = "*/*",
    limit: int,
    retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
) -> HttpAnswer:
    """Return an answer of at most *limit* bytes, whatever its status.

    Raises:
        ModelPullError: there is no answer, or it would come from a server without TLS.
    """
    with translated(url):
        answer = ask(
            client, url, headers={"accept": accept}, limit=limit, retry_policy=retry_policy
        )
    refuse_downgrade(url, answer.url)
    return answer


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
