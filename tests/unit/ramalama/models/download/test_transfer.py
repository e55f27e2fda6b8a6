"""The digest of a file that grows, out of order."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from ramalama.models.download.journal import Span
from ramalama.models.download.partial import Partial
from ramalama.models.download.plan import Plan, Stopped
from ramalama.models.download.transfer import hash_while_it_grows
from tests.unit.ramalama.models.download.kit import KIB, SMALL, digest_of, made_up_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.formats.model_files import Digest

CONTENT = made_up_bytes(600 * KIB)


def test_bytes_are_hashed_in_order_in_whatever_order_they_come(partial: Partial) -> None:
    plan = Plan(SMALL, size=len(CONTENT), written=(Span(0, 100 * KIB),))
    partial.write(memoryview(CONTENT)[: 100 * KIB], 0)
    found: list[Digest] = []
    thread = threading.Thread(
        target=lambda: found.append(hash_while_it_grows(plan, partial)), daemon=True
    )
    thread.start()
    pieces = iter(plan.take, None)
    for piece in sorted(pieces, key=lambda piece: -piece.start):
        assert piece.end is not None
        partial.write(memoryview(CONTENT)[piece.start : piece.end], piece.start)
        plan.advance(piece, piece.left)
        plan.put_back(piece)
    thread.join(20)

    assert found == [digest_of(CONTENT)]


class Unread(Partial):
    """A partial file that cannot be read."""

    def read_into(self, buffer: memoryview, offset: int) -> int:
        msg = f"{len(buffer)} bytes at {offset}"
        raise AssertionError(msg)


def test_nothing_is_read_after_the_end(tmp_path: Path) -> None:
    plan = Plan(SMALL, size=len(CONTENT), written=(Span(0, 100 * KIB),))
    plan.stop()
    unread = Unread(tmp_path, "key")

    with pytest.raises(Stopped):
        hash_while_it_grows(plan, unread)
    unread.close()
