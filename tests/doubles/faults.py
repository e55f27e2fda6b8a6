"""What servers do wrong: each fault makes a misbehaving route of an honest one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from tests.doubles.server import Reply, Request, Route

if TYPE_CHECKING:
    from collections.abc import Mapping

Fault = Callable[[Route], Route]
ALWAYS = 10**9


def faulty(route: Route, *faults: Fault) -> Route:
    """Make *route* misbehave in all these ways; the last one named sees the request first."""
    for fault in faults:
        route = fault(route)
    return route


def times(number: int, fault: Fault) -> Fault:
    """Apply *fault* to the first *number* requests only."""

    def apply(route: Route) -> Route:
        wrong = fault(route)
        arrivals = count()

        def answer(request: Request) -> Reply:
            return (wrong if next(arrivals) < number else route)(request)

        return answer

    return apply


def after(number: int, fault: Fault) -> Fault:
    """Apply *fault* to all requests but the first *number*."""

    def apply(route: Route) -> Route:
        return times(number, lambda _wrong: route)(fault(route))

    return apply


def cut(after: int) -> Fault:
    """End the connection after so many bytes of the body."""
    return _with_reply(lambda reply: replace(reply, cut_after=after))


def stall(after: int) -> Fault:
    """Say nothing more after so many bytes of the body."""
    return _with_reply(lambda reply: replace(reply, stall_after=after))


def slow(rate: int) -> Fault:
    """Send so many bytes per second on each connection."""
    return _with_reply(lambda reply: replace(reply, rate=rate))


def announce(length: int) -> Fault:
    """Say in Content-Length that there are so many bytes."""
    return _with_reply(lambda reply: replace(reply, length=length))


def without_length(route: Route) -> Route:
    """Send the body in chunks and do not say how long it is."""
    return _with_reply(lambda reply: replace(reply, chunked=True))(route)


def with_headers(headers: Mapping[str, str]) -> Fault:
    """Say these too, over what the honest route says."""
    return _with_reply(lambda reply: replace(reply, headers={**reply.headers, **headers}))


def refuse(reply: Reply) -> Fault:
    """Answer *reply*, whatever is asked."""
    return lambda _route: lambda _request: reply


def ignore_ranges(route: Route) -> Route:
    """Send all of it, whatever part is asked for."""
    return lambda request: route(request.without("range", "if-range"))


def wrong_start(shift: int) -> Fault:
    """Send a part that begins *shift* bytes after the one asked for, or before, and say so."""

    def apply(route: Route) -> Route:
        def answer(request: Request) -> Reply:
            if "range" not in request.headers:
                return route(request)
            first, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
            moved = {**request.headers, "range": f"bytes={max(0, int(first) + shift)}-{last}"}
            return route(replace(request, headers=moved))

        return answer

    return apply


def wrong_total(total: int) -> Fault:
    """Say in Content-Range that there are *total* bytes in all, wherever there is one."""

    def lie(reply: Reply) -> Reply:
        if "content-range" not in reply.headers:
            return reply
        part = reply.headers["content-range"].partition("/")[0]
        return replace(reply, headers={**reply.headers, "content-range": f"{part}/{total}"})

    return _with_reply(lie)


def corrupt(at: int, *, answers: int = ALWAYS) -> Fault:
    """Flip a bit of the byte at *at* of the file, in so many of those answers that hold it."""
    arrivals = count()

    def flip(reply: Reply) -> Reply:
        part = reply.headers.get("content-range", "bytes 0-").removeprefix("bytes ")
        place = at - int(part.partition("-")[0])
        if not 0 <= place < len(reply.body) or next(arrivals) >= answers:
            return reply
        body = bytearray(reply.body)
        body[place] ^= 1
        return replace(reply, body=bytes(body))

    return _with_reply(flip)


def lying_416(route: Route) -> Route:
    """Announce as many bytes as the file has when a part past its end is asked for, and send 33.

    So does docker-registry 2.8.2.
    """

    def answer(request: Request) -> Reply:
        reply = route(request)
        if reply.status != 416:
            return reply
        size = int(reply.headers["content-range"].removeprefix("bytes */"))
        return Reply(status=416, body=b"x" * 33, length=size)

    return answer


class SignedUrls:
    """Redirects to URLs at another host that are good for *uses* requests each, then 403."""

    def __init__(self, target: str, *, uses: int) -> None:
        self._target = target
        self._uses = uses
        self._left: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def issued(self) -> int:
        """How many there were."""
        return len(self._left)

    def redirect(self, _request: Request) -> Reply:
        """Sign a new one."""
        with self._lock:
            signature = str(len(self._left))
            self._left[signature] = self._uses
        return Reply.redirect(f"{self._target}?signature={signature}", status=307)

    def guard(self, route: Route) -> Route:
        """Let those through that are still good."""

        def answer(request: Request) -> Reply:
            signature = request.query.get("signature", "")
            with self._lock:
                left = self._left.get(signature, 0)
                self._left[signature] = left - 1
            return route(request) if left > 0 else Reply(status=403, body=b"expired")

        return answer


def _with_reply(change: Callable[[Reply], Reply]) -> Fault:
    return lambda route: lambda request: change(route(request))
