"""What heads of answers promise."""

from __future__ import annotations

import httpx2
import pytest

from ramalama.errors import ModelPullError
from ramalama.models.download.response import Refused, ResponseHead, StartOver
from ramalama.models.http.failures import TransientError


def answer(status: int, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = httpx2.Request("GET", "https://hub/file")
    return httpx2.Response(status, headers=named, request=request)


def test_a_part_says_where_it_begins_and_how_long_all_is() -> None:
    head = ResponseHead.parse(answer(206, content_range="bytes 5-9/100", etag='"7"'))

    assert head == ResponseHead(start=5, size=100, whole=False, validator='"7"', oddity=None)


def test_the_whole_says_how_long_it_is() -> None:
    head = ResponseHead.parse(answer(200, content_length="100", last_modified="yesterday"))

    assert head == ResponseHead(start=0, size=100, whole=True, validator="yesterday", oddity=None)


@pytest.mark.parametrize("length", ["", "-1", "many", "1e3", "9" * 30])
def test_a_length_that_is_none_is_not_known(length: str) -> None:
    assert ResponseHead.parse(answer(200, content_length=length)).size is None


def test_a_part_may_not_know_how_long_all_is() -> None:
    assert ResponseHead.parse(answer(206, content_range="bytes 5-9/*")).size is None


@pytest.mark.parametrize(
    "part",
    ["", "bytes", "bytes 5-9", "bytes */100", "bytes 9-5/100", "bytes 5-100/100",
     "bytes 5-9/-1", "bytes 5-9/0", "items 5-9/100", f"bytes 5-9/{'9' * 30}"],
)  # fmt: skip
def test_a_part_that_makes_no_sense_ends_the_asking_for_parts(part: str) -> None:
    with pytest.raises(StartOver) as caught:
        ResponseHead.parse(answer(206, content_range=part))

    assert not caught.value.ranges


def test_a_weak_etag_proves_nothing() -> None:
    assert ResponseHead.parse(answer(200, etag='W/"7"')).validator is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_what_may_be_granted_elsewhere_is_a_refusal(status: int) -> None:
    with pytest.raises(Refused):
        ResponseHead.parse(answer(status))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520])
def test_what_may_be_granted_later_passes(status: int) -> None:
    with pytest.raises(TransientError) as caught:
        ResponseHead.parse(answer(status, retry_after="7"))

    assert caught.value.pause == 7


@pytest.mark.parametrize("status", [201, 204, 300, 304, 501, 505])
def test_anything_else_makes_no_sense(status: int) -> None:
    with pytest.raises(ModelPullError, match=f"hub answers {status}"):
        ResponseHead.parse(answer(status))


@pytest.mark.parametrize(
    ("headers", "oddity"),
    [
        ({"content_type": "text/html"}, "with a web page"),
        ({"content_type": "Text/HTML; charset=utf-8"}, "with a web page"),
        ({"content_type": "application/xhtml+xml"}, "with a web page"),
        ({"content_encoding": "gzip"}, "with something compressed"),
        ({"content_encoding": "identity"}, None),
        ({"content_type": "application/octet-stream"}, None),
        ({"content_type": "text/plain"}, None),
    ],
)
def test_what_comes_instead_of_a_file_is_seen(headers: dict[str, str], oddity: str | None) -> None:
    assert ResponseHead.parse(answer(200, **headers)).oddity == oddity
