"""HTTP clients that belong to one process: a forked child of it gets a client of its own.

A client for a server elsewhere keeps connections for a while, since opening one takes a round trip,
or several with TLS. The server may close a kept connection just when a request is sent on it. Such
a request, to which no byte was answered, is sent again, once, as browsers do (RFC 9112, 9.3.1).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import httpcore2
import httpx2

from ramalama_chat.client.bounds import bound, bound_async
from ramalama_chat.client.inherited import forget_in_children

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from httpx2._client import UseClientDefault
    from httpx2._types import AuthTypes

# Shorter than llama-server's 5 s and nearly all others'.
_LIMITS = httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=3.0)
_CLOSED = "the client is closed"
_LOST = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError)


class ClientClosed(httpx2.TransportError):
    """The client was closed by the program."""


class RequestHook(Protocol):
    """What is done with each request before it is sent."""

    def apply(self, request: httpx2.Request) -> None:
        """Change *request*."""
        ...

    async def apply_async(self, request: httpx2.Request) -> None:
        """Do the same as `apply`, for an asynchronous client."""
        ...


class HttpClient(httpx2.Client):
    """A client whose answers are bounded; *heir* opens the same one in a forked child.

    Without a *transport*, the server is elsewhere, and connections are kept. *trust_env* uses the
    proxies of the environment.
    """

    def __init__(
        self,
        hook: RequestHook,
        *,
        heir: Callable[[], HttpClient],
        transport: httpx2.BaseTransport | None = None,
        verify: ssl.SSLContext | bool = True,
        trust_env: bool = False,
    ) -> None:
        super().__init__(
            transport=transport,
            verify=verify,
            trust_env=trust_env,
            follow_redirects=False,
            limits=_LIMITS,
            event_hooks={"request": [hook.apply], "response": [bound]},
        )
        self._keeps = transport is None
        self._process = os.getpid()
        self._open_heir = heir
        self._heir: HttpClient | None = None

    def send(
        self,
        request: httpx2.Request,
        *,
        stream: bool = False,
        auth: AuthTypes | UseClientDefault | None = httpx2.USE_CLIENT_DEFAULT,
        follow_redirects: bool | UseClientDefault = httpx2.USE_CLIENT_DEFAULT,
    ) -> httpx2.Response:
        """Send *request*; see `httpx2.Client.send`."""
        if self._process != os.getpid() and not self.is_closed:
            self._heir = self._heir or self._open_heir()
            return self._heir.send(
                request, stream=stream, auth=auth, follow_redirects=follow_redirects
            )
        if self.is_closed:
            raise ClientClosed(_CLOSED, request=request)
        watch = _Watch()
        if self._keeps:
            request.extensions["trace"] = watch.note
        try:
            return super().send(
                request, stream=stream, auth=auth, follow_redirects=follow_redirects
            )
        except _LOST:
            if not (self._keeps and watch.may_repeat(request)):
                raise
        return super().send(request, stream=stream, auth=auth, follow_redirects=follow_redirects)

    def close(self) -> None:
        """Close the connections of this process."""
        if self._process == os.getpid():
            super().close()
        elif self._heir is not None:
            self._heir.close()


class AsyncHttpClient(httpx2.AsyncClient):
    """The same as `HttpClient`, asynchronous."""

    def __init__(
        self,
        hook: RequestHook,
        *,
        heir: Callable[[], AsyncHttpClient],
        transport: httpx2.AsyncBaseTransport | None = None,
        verify: ssl.SSLContext | bool = True,
        trust_env: bool = False,
    ) -> None:
        super().__init__(
            transport=transport,
            verify=verify,
            trust_env=trust_env,
            follow_redirects=False,
            limits=_LIMITS,
            event_hooks={"request": [hook.apply_async], "response": [bound_async]},
        )
        self._keeps = transport is None
        self._process = os.getpid()
        self._open_heir = heir
        self._heir: AsyncHttpClient | None = None

    async def send(
        self,
        request: httpx2.Request,
        *,
        stream: bool = False,
        auth: AuthTypes | UseClientDefault | None = httpx2.USE_CLIENT_DEFAULT,
        follow_redirects: bool | UseClientDefault = httpx2.USE_CLIENT_DEFAULT,
    ) -> httpx2.Response:
        """Send *request*; see `httpx2.AsyncClient.send`."""
        if self._process != os.getpid() and not self.is_closed:
            self._heir = self._heir or self._open_heir()
            return await self._heir.send(
                request, stream=stream, auth=auth, follow_redirects=follow_redirects
            )
        if self.is_closed:
            raise ClientClosed(_CLOSED, request=request)
        watch = _Watch()
        if self._keeps:
            request.extensions["trace"] = watch.note_async
        try:
            return await super().send(
                request, stream=stream, auth=auth, follow_redirects=follow_redirects
            )
        except _LOST:
            if not (self._keeps and watch.may_repeat(request)):
                raise
        return await super().send(
            request, stream=stream, auth=auth, follow_redirects=follow_redirects
        )

    async def aclose(self) -> None:
        """Close the connections of this process."""
        if self._process == os.getpid():
            await super().aclose()
        elif self._heir is not None:
            await self._heir.aclose()


class _Watch:
    """Learns from the events of a request whether it may be sent again."""

    def __init__(self) -> None:
        self._is_new = False  # the connection
        self._has_begun = False  # the answer

    def note(self, event: str, info: Mapping[str, object]) -> None:
        """Note an *event* of httpcore2's extension "trace"."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._is_new = True
            stream = info.get("return_value")
            if isinstance(stream, httpcore2.NetworkStream | httpcore2.AsyncNetworkStream):
                forget_in_children(stream)
        elif event.endswith(".receive_response_headers.complete"):
            self._has_begun = True

    async def note_async(self, event: str, info: Mapping[str, object]) -> None:
        """Do the same as `note`."""
        self.note(event, info)

    def may_repeat(self, request: httpx2.Request) -> bool:
        """Return whether the connection was a kept one, and no answer came."""
        replayable = isinstance(request.stream, httpx2.ByteStream)
        return replayable and not self._is_new and not self._has_begun
