"""Download pieces over one connection, until none is left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx2

from ramalama.errors import AccessDenied, ModelPullError
from ramalama.events import DownloadRetrying
from ramalama.models.download.job import ResponseAccepted
from ramalama.models.download.response import Refused, ResponseHead, StartOver
from ramalama.models.http.client import opened
from ramalama.models.http.failures import TransientError, explain, transient_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.models.download.job import Job, Message
    from ramalama.models.download.plan import Piece
    from ramalama.models.download.values import Location

_CONNECT_TIMEOUT = 10.0
_UNCOMPRESSED = {"accept-encoding": "identity"}


class Stream:
    """Downloads one piece after the other."""

    def __init__(self, job: Job, tell: Callable[[Message], None]) -> None:
        self._job = job
        self._plan = job.plan
        self._blob = job.blob
        self._tell = tell
        self._extensions = {
            "timeout": httpx2.Timeout(job.limits.silence, connect=_CONNECT_TIMEOUT).as_dict(),
            "trace": job.connections.trace,
        }

    def run(self) -> None:
        """Download until there is no work left.

        Raises:
            Stopped: the transfer has ended.
            TransientError: the server sent nothing in all attempts of the retry policy.
            StartOver: the downloaded bytes cannot be used.
            ModelPullError: the download cannot succeed.
            OSError: the disk is full, or fails.
        """
        retry_policy = replace(self._job.limits.retry_policy, sleep=self._plan.pause)
        retrying = retry_policy.retrying(self._tell_failure)
        while retrying(self._fetch_some):
            pass

    def _fetch_some(self) -> bool:
        """Download a piece or its beginning; return False if there is no work.

        Raises:
            TransientError: the server sent nothing.
        """
        piece = self._plan.take()
        if piece is None:
            return False
        before = piece.position
        try:
            self._fetch(piece)
        except TransientError as exc:
            if piece.position == before:
                raise
            self._tell_failure(exc, 0.0)
        finally:
            self._plan.put_back(piece)
        return True

    def _fetch(self, piece: Piece) -> None:
        if piece.position and not self._job.terms.resumable:
            msg = "it was interrupted, and cannot be continued"
            raise StartOver(msg)
        try:
            with transient_errors():
                self._ask(piece, self._job.source.current())
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            host = self._job.source.host
            msg = f"{self._blob.name} cannot be downloaded from {host}: {explain(exc)}"
            raise ModelPullError(msg) from exc

    def _ask(self, piece: Piece, location: Location) -> None:
        try:
            self._request(piece, location)
        except Refused as exc:
            if not self._job.source.renew(location):
                raise self._denial(exc) from exc
            msg = f"its address has expired ({exc.status})"
            raise TransientError(msg, pause=0.0) from exc

    def _request(self, piece: Piece, location: Location) -> None:
        headers = {**location.headers, **_UNCOMPRESSED, **self._job.terms.headers(piece)}
        asked_end = piece.end
        with opened(
            self._blob.client, "GET", location.url, headers=headers, extensions=self._extensions
        ) as response:
            head = ResponseHead.parse(response)
            self._job.source.prove(location, response.url)
            if self._job.terms.agree(head, piece, self._plan):
                self._begin()
            for content in response.iter_raw():
                room = self._store(content, piece)
                if head.whole and room < len(content):
                    self._note_surplus(piece)
                    return
                # Otherwise the response is read to its end, so that its connection can be reused.
                if piece.finished and piece.end != asked_end and not head.whole:
                    return
        self._check_end(piece)

    def _begin(self) -> None:
        if self._plan.size is not None:
            self._job.partial.reserve(self._plan.size)
        self._tell(ResponseAccepted())

    def _store(self, content: bytes, piece: Piece) -> int:
        """Write the bytes that belong to *piece* into the file, and return their number."""
        self._job.saver.wait_for_room()
        room = self._plan.room(piece, len(content))
        self._job.partial.write(memoryview(content)[:room], piece.position)
        self._plan.advance(piece, room)
        return room

    def _check_end(self, piece: Piece) -> None:
        if piece.end is None:
            self._plan.end_here(piece)
        elif not piece.finished:
            msg = "it sends less than it promised"
            raise TransientError(msg)

    def _note_surplus(self, piece: Piece) -> None:
        """Reject surplus bytes, unless the digest will decide which bytes are right."""
        if self._blob.digest is None:
            msg = f"it sends more than the {piece.end} bytes that it announced"
            raise StartOver(msg)

    def _denial(self, refused: Refused) -> ModelPullError:
        host, name = self._job.source.host, self._blob.name
        match refused.status:
            case 401 | 403 as status:
                remedy = "log in, or ask its owner for access"
                return AccessDenied(f"{host} refuses access to {name} ({status}); {remedy}")
            case 404 | 410 as status:
                return ModelPullError(f"{host} does not have {name} ({status})")
            case status:
                return ModelPullError(f"{host} rejects the request ({status} for {name})")

    def _tell_failure(self, failure: TransientError, pause: float) -> None:
        self._tell(DownloadRetrying(file=self._blob.name, reason=str(failure), seconds=pause))
