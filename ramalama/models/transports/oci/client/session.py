"""Send requests to one registry, with one user's credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

from ramalama.models.http.client import HttpAnswer, ask, send
from ramalama.models.http.failures import (
    TRANSIENT_STATUSES,
    RetryPolicy,
    TransientError,
    asked_pause,
)
from ramalama.models.transports.oci.client.failures import refusal, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ramalama.errors import ModelError
    from ramalama.models.transports.oci.client.tokens import Authorizer

_LARGEST_ANSWER = 4 * 1024 * 1024
_UNAUTHORIZED = 401
_FRESH = 30.0  # seconds

_HUB = "docker.io"
_HUB_SERVER = "registry-1.docker.io"


def find_url(domain: str, client: httpx2.Client, *, plain: bool) -> httpx2.URL:
    """Return the URL of the registry *domain*: with TLS, or without it if *plain* allows that.

    As in podman, a connection without TLS is only tried if TLS fails.
    """
    host = _HUB_SERVER if domain == _HUB else domain
    url = httpx2.URL(f"https://{host}")
    if plain:
        try:
            ask(client, f"{url}/v2/", limit=_LARGEST_ANSWER, retry_policy=RetryPolicy(tries=1))
        except (httpx2.NetworkError, httpx2.ProtocolError):
            return url.copy_with(scheme="http")
    return url


class Session:
    """A registry with a user's credentials; safe for several threads.

    Every method raises *error*, a class, if the registry cannot be reached, and `AccessDenied` if
    the registry gives no token.
    """

    def __init__(
        self,
        domain: str,
        url: httpx2.URL,
        authorizer: Authorizer,
        *,
        error: type[ModelError],
    ) -> None:
        self.domain = domain
        self.url = url
        self.client = authorizer.client
        self.error = error
        self._authorizer = authorizer

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        accept: str = "*/*",
        limit: int = _LARGEST_ANSWER,
    ) -> HttpAnswer:
        """Send a small request, and repeat it if the registry asks for credentials."""

        def once(proof: Mapping[str, str]) -> HttpAnswer:
            headers = {"accept": accept, **proof}
            return ask(
                self.client,
                f"{self.url}{path}",
                method=method,
                headers=headers,
                limit=limit,
                retry_policy=self._authorizer.retry_policy,
            )

        return self._authorized(once)

    def send(
        self,
        method: str,
        url: httpx2.URL,
        *,
        content: Callable[[], bytes | Iterable[bytes]],
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Send a request with a body, and repeat it if the registry asks for credentials.

        *url* is absolute and may belong to another host, which gets no credentials. *content* is
        called for each attempt.
        """
        ours = self.is_ours(url)

        def once(proof: Mapping[str, str]) -> HttpAnswer:
            all_headers = {**(headers or {}), **(proof if ours else {})}
            return send(self.client, method, str(url), content=content(), headers=all_headers)

        return self._authorized(once)

    def proof(self) -> Mapping[str, str]:
        """Return headers with credentials that are valid long enough for a long request."""
        with translated(self.domain, self._authorizer.found, self.error):
            return self._authorizer.headers(max_age=_FRESH)

    def is_ours(self, url: httpx2.URL) -> bool:
        """Whether *url* belongs to the registry: same scheme, host and port."""
        return url.origin == self.url.origin

    def refusal(self, answer: HttpAnswer) -> ModelError:
        """Return the error for *answer*; its cause is a `TransientError` if it is transient."""
        error = refusal(answer, self.domain, self._authorizer.found, self.error)
        if answer.status in TRANSIENT_STATUSES:
            error.__cause__ = TransientError(str(error), pause=asked_pause(answer.headers))
        return error

    def _authorized(self, once: Callable[[Mapping[str, str]], HttpAnswer]) -> HttpAnswer:
        with translated(self.domain, self._authorizer.found, self.error):
            proof = self._authorizer.headers()
            answer = self._checked(once(proof))
            # Only the registry itself may ask for credentials, not a server to which it redirects.
            if answer.status != _UNAUTHORIZED or not self.is_ours(httpx2.URL(answer.url)):
                return answer
            self._authorizer.learn(answer.headers.get("www-authenticate", ""))
            fresh = self._authorizer.headers()
            return answer if fresh == proof else self._checked(once(fresh))

    def _checked(self, answer: HttpAnswer) -> HttpAnswer:
        if self.url.scheme == "https" and not answer.url.startswith("https:"):
            msg = f"{self.domain} redirects to a server without TLS, whose answers are not trusted"
            raise self.error(msg)
        return answer
