"""The events of a stream are read as they come, whatever ends its lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest

from ramalama_chat.client.requests import read_events

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_no_more_is_read_than_the_next_event_takes(end: str) -> None:
    sent: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(9):
            sent.append(number)
            yield f"data: {number}{end}{end}".encode()

    events = read_events(httpx2.Response(200, content=pieces()))

    assert next(events) == 0
    assert len(sent) <= 2  # a CR may be the first half of a line's end
    assert list(events) == [1, 2, 3, 4, 5, 6, 7, 8]
