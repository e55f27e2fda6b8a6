"""Check the head of a response: whether it brings the expected bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ramalama.errors import ModelPullError
from ramalama.models.http.failures import TRANSIENT_STATUSES, TransientError, asked_pause

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from ramalama.models.download.plan import Piece, Plan
    from ramalama.models.download.values import RemoteBlob


_CONTENT_RANGE = r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)"
_PAGES = frozenset({"text/html", "application/xhtml+xml"})


class StartOver(Exception):
    """The downloaded bytes cannot be used; if *ranges* is False, partial requests fail, too."""

    def __init__(self, reason: str, *, ranges: bool = True) -> None:
        super().__init__(reason)
        self.ranges = ranges


class Refused(Exception):
    """The server refuses the request, perhaps after granting it before; it answered *status*."""

    def __init__(self, status: int) -> None:
        super().__init__(f"it answers {status}")
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHead:
    """The head of a response that brings bytes.

    Attributes:
        start: the offset of the first byte.
        size: of the whole blob, in bytes; None if the server does not say.
        whole: whether the response has the whole blob, regardless of the request.
        validator: a value that changes when the bytes change; None if the server has no reliable
            one.
        oddity: what the response is instead of a file, as the end of a sentence; None if it is a
            file.
    """

    start: int
    size: int | None
    whole: bool
    validator: str | None
    oddity: str | None

    @classmethod
    def parse(cls, response: httpx2.Response) -> Self:
        """Read the status and the headers.

        Raises:
            TransientError, Refused, StartOver: the response has no usable bytes.
            ModelPullError: the status makes no sense for this request.
        """
        match response.status_code:
            case 200:
                start, size = 0, _length(response)
            case 206:
                start, size = _parse_content_range(response.headers.get("content-range", ""))
            case 416:
                msg = "it does not have the requested part"
                raise StartOver(msg, ranges=False)
            case status if status in TRANSIENT_STATUSES:
                msg = f"it answers {status}"
                raise TransientError(msg, pause=asked_pause(response.headers))
            case status if 400 <= status < 500:  # noqa: PLR2004 (HTTP's own numbers)
                raise Refused(status)
            case status:
                msg = f"{response.url.host} answers {status}, which makes no sense here"
                raise ModelPullError(msg)
        return cls(
            start=start,
            size=size,
            whole=response.status_code == 200,  # noqa: PLR2004 (HTTP's own number)
            validator=_validator(response),
            oddity=_oddity(response),
        )


def _parse_content_range(text: str) -> tuple[int, int | None]:
    match = re.fullmatch(_CONTENT_RANGE, text)
    first, last, size = match.groups() if match else ("0", "0", "0")
    if size == "*":
        return int(first), None
    if not int(first) <= int(last) < int(size):
        msg = "its response does not say which part it is"
        raise StartOver(msg, ranges=False)
    return int(first), int(size)


def _length(response: httpx2.Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def _validator(response: httpx2.Response) -> str | None:
    """Return a value for ``If-Range``: a strong ETag, or else the date (RFC 9110)."""
    etag = response.headers.get("etag", "")
    if etag.startswith('"'):
        return etag
    return response.headers.get("last-modified")


def _oddity(response: httpx2.Response) -> str | None:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _PAGES:
        return "with a web page"
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return "with something compressed"
    return None


class ResponseValidator:
    """Checks responses against what is known of a blob, and learns from the first response.

    If the digest is known, it alone decides which bytes belong together: two mirrors may have
    different validators for the same content. Otherwise, all parts must come with the same
    validator.
    """

    def __init__(self, blob: RemoteBlob, *, validator: str | None, ranges: bool) -> None:
        self.blob = blob
        self.validator = None if blob.digest else validator
        self.parallel = False
        self._ranges = ranges
        self._agreed = False

    @property
    def resumable(self) -> bool:
        """Whether the rest may come from another response than the beginning."""
        return self._ranges and (self.blob.digest is not None or self.validator is not None)

    def headers(self, piece: Piece) -> Mapping[str, str]:
        """Return the headers that request *piece*."""
        if not self._ranges:
            return {}
        last = piece.end - 1 if piece.end is not None and self.resumable else ""
        wanted = {"range": f"bytes={piece.position}-{last}"}
        if self.validator is not None:
            wanted["if-range"] = self.validator
        return wanted

    def agree(self, head: ResponseHead, piece: Piece, plan: Plan) -> bool:
        """Check a response for *piece*, and adapt the plan; return True for the first response.

        Raises:
            StartOver: the response does not match the earlier ones.
            ModelPullError: the response does not match what is known of the blob.
        """
        self._check(head, piece, plan)
        first = not self._agreed
        if first:
            self._agreed = True
            self.validator = None if self.blob.digest else head.validator
            if plan.size is None and head.size is not None:
                plan.learn_size(piece, head.size)
        if (head.whole or not self.resumable) and not plan.extend(piece):
            msg = "it sends the whole file again"
            raise StartOver(msg, ranges=False)
        self.parallel = self.parallel or plan.worth_sharing
        return first

    def _check(self, head: ResponseHead, piece: Piece, plan: Plan) -> None:
        if head.oddity and (self.blob.digest is None or head.size != self.blob.size):
            msg = f"instead of {self.blob.name}, the server answered {head.oddity}"
            raise ModelPullError(msg)
        if self.validator is not None and head.validator != self.validator:
            msg = "it has changed"
            raise StartOver(msg)
        if head.start != piece.position:
            msg = "it does not send the requested part"
            raise StartOver(msg, ranges=False)
        if head.size is not None and plan.size is not None and head.size != plan.size:
            self._refuse_size(head)

    def _refuse_size(self, head: ResponseHead) -> None:
        if not head.whole:
            msg = "it reports different sizes"
            raise StartOver(msg, ranges=False)
        if self.blob.size is None:
            msg = "it has changed its size"
            raise StartOver(msg)
        msg = f"{self.blob.name} has {head.size} bytes at its server instead of {self.blob.size}"
        raise ModelPullError(msg)
