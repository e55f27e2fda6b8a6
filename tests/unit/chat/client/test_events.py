"""The events of a stream are read as they come, whatever ends its lines."""

from __future__ import annotations

import pytest

from ramalama_chat.client.events import EventReader


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_an_event_is_known_once_its_last_byte_has_come(end: str) -> None:
    reader, known = EventReader(), list[object]()
    for number in range(9):
        known += reader.feed(f"data: {number}{end}{end}".encode())
        assert len(known) >= number  # a CR may be the first half of a line's end

    assert [*known, *reader.end()] == [0, 1, 2, 3, 4, 5, 6, 7, 8]
