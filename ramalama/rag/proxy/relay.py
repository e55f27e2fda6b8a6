"""Pass the answer of the server on to a client, byte for byte, as it comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from ramalama.rag.proxy.annotations import HEADER, annotate, sources_header
from ramalama.rag.proxy.answer_framing import (
    LONGEST_HEAD,
    AnswerHead,
    BadAnswerError,
    BodyFraming,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama_chat.session.knowledge import Source

_LONGEST_ANNOTATED = 16 * 1024 * 1024  # bytes; a longer answer is passed on as it is
_OK = 200


class Client(Protocol):
    """Where an answer goes."""

    def write(self, data: bytes) -> None:
        """Send *data* to the client."""
        ...


class AnswerRelay(asyncio.Protocol):
    """The connection to the server for one request.

    Attributes:
        done: the result is whether the connection to the client can be used again; it is a
            BadAnswerError if the answer has no valid head or end.
        began: whether anything was sent to the client.
    """

    def __init__(
        self,
        client: Client,
        *,
        method: bytes,
        sources: Sequence[Source] = (),
        streams: bool = False,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[bool] = loop.create_future()
        self.began = False
        self._client = client
        self._method = method
        self._sources = sources
        self._annotates = bool(sources) and not streams
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._framing: BodyFraming | None = None
        self._reusable = True
        self._kept: list[bytes] | None = None  # the pieces of a body to annotate
        self._kept_head: AnswerHead | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (for type checkers)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            if self._framing is None:
                data = self._take_head(data)
            if data and self._framing is not None:
                self._take_body(data, self._framing)
        except BadAnswerError as exc:
            self._fail(exc)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (a method of asyncio's)
        """See `asyncio.Protocol`."""
        self._writable.set()
        if self._framing is not None and self._framing.until_close:
            self._finish(reusable=False)
        else:
            self._fail(BadAnswerError())

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._writable.set()

    async def send(self, data: bytes) -> None:
        """Send a part of the request to the server, when it can take it."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
            await self._writable.wait()

    def pause(self, *, paused: bool) -> None:
        """Read no more of the answer while the client is slow."""
        if self._transport is None or self._transport.is_closing():
            return
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close the connection; the server stops to answer."""
        if self._transport is not None:
            self._transport.abort()
        if not self.done.cancel() and not self.done.cancelled():
            self.done.exception()  # it counts as handled

    def _take_head(self, data: bytes) -> bytes:
        """Take what belongs to the head, and return the rest."""
        self._head += data
        while (end := self._head.find(b"\r\n\r\n", 0, LONGEST_HEAD)) >= 0:
            raw, rest = self._head[: end + 4], self._head[end + 4 :]
            head = AnswerHead.parse(raw)
            if not head.is_interim:
                self._head = b""
                self._begin(head)
                return rest
            if head.status == 101:  # noqa: PLR2004 (Switching Protocols, which was not asked for)
                raise BadAnswerError
            self._send(raw)
            self._head = rest
        if len(self._head) >= LONGEST_HEAD:
            raise BadAnswerError
        return b""

    def _begin(self, head: AnswerHead) -> None:
        self._framing = head.body(self._method)
        self._reusable = not head.ends_connection and not self._framing.until_close
        length, is_ok = head.length, head.status == _OK
        if is_ok and self._annotates and length is not None and length <= _LONGEST_ANNOTATED:
            self._kept, self._kept_head = [], head
        elif is_ok and self._sources:
            self._send(head.changed(added=self._added))
        else:
            self._send(head.raw)
        if self._framing.done:
            self._finish(reusable=self._reusable)

    @property
    def _added(self) -> dict[str, str]:
        return {HEADER: sources_header(self._sources)}

    def _take_body(self, data: bytes, framing: BodyFraming) -> None:
        if framing.done:
            return
        taken = framing.feed(data)
        part = data if taken == len(data) else data[:taken]
        if self._kept is None:
            self._send(part)
        else:
            self._kept.append(part)
        if framing.done:
            self._finish(reusable=self._reusable)

    def _finish(self, *, reusable: bool) -> None:
        if self.done.done():
            return
        if self._kept is not None and self._kept_head is not None:
            body = b"".join(self._kept)
            body = annotate(body, self._sources) or body
            self._send(self._kept_head.changed(added=self._added, length=len(body)) + body)
        self.done.set_result(reusable)

    def _fail(self, exc: BadAnswerError) -> None:
        if not self.done.done():
            self.done.set_exception(exc)
        if self._transport is not None:
            self._transport.abort()

    def _send(self, data: bytes) -> None:
        self.began = True
        self._client.write(data)
