"""What the head of an answer promises, and what to do about one that promises the wrong thing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ramalama.errors import ModelPullError
from ramalama.models.http.retry import PASSING, Passing, asked_pause

if TYPE_CHECKING:
    import httpx2

_CONTENT_RANGE = r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)"
_PAGES = frozenset({"text/html", "application/xhtml+xml"})


class StartOver(Exception):
    """Nothing of what came can be used; without *ranges*, parts cannot be asked for, either."""

    def __init__(self, reason: str, *, ranges: bool = True) -> None:
        super().__init__(reason)
        self.ranges = ranges


class Refused(Exception):
    """The server does not (or no longer) grant the request; it answered *status*."""

    def __init__(self, status: int) -> None:
        super().__init__(f"it answers {status}")
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The promise of an answer that brings bytes.

    Attributes:
        start: of the first byte.
        size: of the whole blob, in bytes; None where the server does not say.
        whole: all of it comes, whatever was asked for.
        validator: changes when the bytes do; None where the server has none that is to be trusted.
        oddity: what comes instead of a file, as the end of a sentence; None where nothing says so.
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
            Passing, Refused, StartOver: there are no bytes.
            ModelPullError: it is an answer to some other question.
        """
        match response.status_code:
            case 200:
                start, size = 0, _length(response)
            case 206:
                start, size = _parse_content_range(response.headers.get("content-range", ""))
            case 416:
                msg = "it does not have the part that was asked for"
                raise StartOver(msg, ranges=False)
            case status if status in PASSING:
                msg = f"it answers {status}"
                raise Passing(msg, pause=asked_pause(response.headers))
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
        msg = "it does not say which part it sends"
        raise StartOver(msg, ranges=False)
    return int(first), int(size)


def _length(response: httpx2.Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def _validator(response: httpx2.Response) -> str | None:
    """Return what ``If-Range`` takes: an ETag that is not weak, else the date (RFC 9110)."""
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
