"""A client's connection: read its requests, ask the documents, and pass the requests on."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import h11

from ramalama.rag.proxy.answer_framing import BadAnswerError
from ramalama.rag.proxy.chat_request import ChatRequest
from ramalama.rag.proxy.relay import AnswerRelay
from ramalama.rag.proxy.request_head import (
    BadRequestError,
    RequestHead,
    find_head,
    read_head,
)
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from ramalama_chat.session.knowledge import Finding, Source

LONGEST_BODY = 100 * 1024 * 1024
LONGEST_CHAT = 16 * 1024 * 1024
"""Bytes of a body that is passed on as it comes, and of one that has to be read."""

_HEAD_TIME = 30.0  # seconds for a head, from its first byte
_IDLE_TIME = 120.0  # between two requests
_SILENCE = 60.0  # in the middle of a body
_LINGER = 0.5  # after a refusal
_STALL = 300.0  # in which a client takes nothing of an answer
_MOST_WAITING = 256 * 1024  # bytes that were read and are not needed yet
_MOST_EMPTY = 64  # bytes of empty lines before a request (RFC 9112, section 2.2)
_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    408: "Request Timeout",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
_TOO_LONG = "the body of the request is too long"
_log = logging.getLogger("ramalama.rag")


@frozen()
class Passing:
    """What every connection of an endpoint needs.

    Attributes:
        connect: connects a relay with the server.
        look_up: finds what the documents say about a question; None if that failed.
        key: what clients must send; None for nothing.
        server_key: what the server wants; None for nothing.
    """

    connect: Callable[[AnswerRelay], Awaitable[None]]
    look_up: Callable[[ChatRequest], Awaitable[Finding | None]]
    key: str | None = None
    server_key: str | None = None


class ClientConnection(asyncio.Protocol):
    """One client; *on_lost* is called when the connection has ended."""

    def __init__(
        self, passing: Passing, on_lost: Callable[[ClientConnection], None], *, is_full: bool
    ) -> None:
        self._passing = passing
        self._on_lost = on_lost
        self._is_full = is_full
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._relay: AnswerRelay | None = None
        self._waiting = bytearray()
        self._came = asyncio.Event()
        self._parser = h11.Connection(h11.SERVER)
        self._stalled: asyncio.TimerHandle | None = None  # while the client takes nothing
        self._is_refused = False
        self.active_at = asyncio.get_running_loop().time()

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self._relay is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (for type checkers)
        self._transport = transport
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._is_refused:
            return
        self._waiting += data
        self._came.set()
        if len(self._waiting) > _MOST_WAITING and self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (a method of asyncio's)
        """See `asyncio.Protocol`."""
        self._let_go()
        if self._task is not None:
            self._task.cancel()
        if self._relay is not None:
            self._relay.close()
        self._on_lost(self)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        if self._relay is not None:
            self._relay.pause(paused=True)
        self._let_go()
        loop = asyncio.get_running_loop()
        self._stalled = loop.call_later(_STALL, self.abort)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._let_go()
        if self._relay is not None:
            self._relay.pause(paused=False)

    def write(self, data: bytes) -> None:
        """Send *data* to the client."""
        if self._transport is not None:
            self._transport.write(data)

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _let_go(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    async def _serve(self) -> None:
        try:
            if self._is_full:
                self._refuse(503, "there are too many connections")
            else:
                while await self._answer_next():
                    pass
        except BadRequestError as exc:
            self._refuse(exc.status, str(exc))
        except TimeoutError:
            self._refuse(408, "the request did not come in time")
        finally:
            if self._is_refused:
                await self._linger()
            if self._transport is not None:
                self._transport.close()

    async def _linger(self) -> None:
        """Let the client read why it was refused; to close at once would reset the connection."""
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
            await asyncio.sleep(_LINGER)

    async def _answer_next(self) -> bool:
        """Answer one request; return whether another one may come."""
        head = await self._read_head()
        self.active_at = asyncio.get_running_loop().time()
        key = self._passing.key
        if key is not None and not head.needs_no_key and not _is_same(head.key, key):
            msg = "the API key is missing or wrong"
            raise BadRequestError(msg, 401)
        if (head.length or 0) > (LONGEST_CHAT if head.is_chat else LONGEST_BODY):
            raise BadRequestError(_TOO_LONG, 413)
        try:
            if head.is_chat and not head.is_coded:
                return await self._answer_chat(head)
            return await self._pass_on(head)
        finally:
            self.active_at = asyncio.get_running_loop().time()

    async def _read_head(self) -> RequestHead:
        """Wait for the next request, and read its head."""
        self._parser = h11.Connection(h11.SERVER)
        async with asyncio.timeout(_IDLE_TIME):
            while not self._waiting.lstrip(b"\r\n"):
                if len(self._waiting) > _MOST_EMPTY:
                    msg = "there are empty lines instead of a request"
                    raise BadRequestError(msg)
                await self._more()
        async with asyncio.timeout(_HEAD_TIME):
            del self._waiting[: len(self._waiting) - len(self._waiting.lstrip(b"\r\n"))]
            while not (length := find_head(self._waiting)):
                await self._more()
        self._parser.receive_data(bytes(self._waiting[:length]))
        del self._waiting[:length]
        return read_head(self._parser)

    async def _body(self) -> AsyncGenerator[bytes]:
        """Yield the parts of the request's body, without the framing of chunks."""
        if self._parser.they_are_waiting_for_100_continue:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while True:
            try:
                event = self._parser.next_event()
            except h11.RemoteProtocolError as exc:
                raise BadRequestError(str(exc)) from None
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif event is h11.NEED_DATA:
                async with asyncio.timeout(_SILENCE):
                    while not self._waiting:
                        await self._more()
                self._parser.receive_data(bytes(self._waiting))
                self._waiting.clear()
            else:
                rest, _ = self._parser.trailing_data
                self._waiting[:0] = rest
                return

    async def _more(self) -> None:
        """Wait for more bytes of the client."""
        self._came.clear()
        if self._transport is not None:
            self._transport.resume_reading()
        await self._came.wait()

    async def _answer_chat(self, head: RequestHead) -> bool:
        content = bytearray()
        async for part in self._body():
            content += part
            if len(content) > LONGEST_CHAT:
                raise BadRequestError(_TOO_LONG, 413)
        body = bytes(content)
        sources: tuple[Source, ...] = ()
        loop = asyncio.get_running_loop()
        request = await loop.run_in_executor(None, ChatRequest.parse, body)
        found = None if request is None else await self._passing.look_up(request)
        if request is not None and found is not None and found.sources:
            body, sources = request.asking(found.prompt), found.sources
        streams = request is not None and request.streams
        relay = AnswerRelay(self, method=head.method, sources=sources, streams=streams)
        async with self._connected(relay):
            await relay.send(head.to_server(length=len(body), key=self._passing.server_key) + body)
            return await relay.done and head.keeps_connection

    async def _pass_on(self, head: RequestHead) -> bool:
        relay = AnswerRelay(self, method=head.method)
        async with self._connected(relay):
            await relay.send(head.to_server(length=head.length, key=self._passing.server_key))
            total = 0
            async for part in self._body():
                total += len(part)
                if total > LONGEST_BODY:
                    raise BadRequestError(_TOO_LONG, 413)
                if relay.done.done():  # the server does not want the rest
                    await relay.done
                    return False
                await relay.send(part if head.length is not None else _chunk(part))
            if head.length is None:
                await relay.send(b"0\r\n\r\n")
            return await relay.done and head.keeps_connection

    @asynccontextmanager
    async def _connected(self, relay: AnswerRelay) -> AsyncGenerator[None]:
        """Connect with the server for one request."""
        self._relay = relay
        try:
            await self._passing.connect(relay)
            relay.pause(paused=self._stalled is not None)
            yield
        except OSError as exc:
            _log.warning("the model server does not answer: %s", exc.strerror)
            self._refuse_answer(relay, "the model server does not answer")
        except BadAnswerError:
            self._refuse_answer(relay, "the model server gave no valid answer")
        finally:
            self._relay = None
            relay.close()

    def _refuse_answer(self, relay: AnswerRelay, message: str) -> None:
        if relay.began:
            self.abort()  # the client sees that the answer is cut off
        else:
            raise BadRequestError(message, 502)

    def _refuse(self, status: int, message: str) -> None:
        """Send an error as OpenAI's API has it; the connection is closed then."""
        self._is_refused = True
        error = {"message": message, "type": "invalid_request_error", "code": status}
        body = json.dumps({"error": error}).encode()
        reason = _REASONS.get(status, "Error")
        self.write(
            f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )


def _chunk(part: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(part), part)


def _is_same(given: str | None, key: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(errors="replace"), key.encode())
