"""Partial files and their journals on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama.models.download.journal import Journal, Span
from ramalama.models.download.partial import Partial, allocated
from tests.unit.ramalama.models.download.kit import KIB

if TYPE_CHECKING:
    from pathlib import Path

JOURNAL = Journal(identity="x", size=100, validator=None, spans=(Span(0, 10),))


def test_bytes_are_where_they_were_put(partial: Partial) -> None:
    partial.reserve(100)
    partial.write(memoryview(b"there"), 50)
    buffer = memoryview(bytearray(5))

    assert partial.read_into(buffer, 50) == 5
    assert bytes(buffer) == b"there"
    assert partial.path.stat().st_size == 100


def test_a_file_that_is_truncated_meanwhile_is_an_error(partial: Partial) -> None:
    partial.reserve(100)
    partial.trim(50)

    with pytest.raises(OSError, match="another process has truncated the file"):
        partial.read_into(memoryview(bytearray(5)), 50)


def test_room_is_taken_on_the_disk_before_the_bytes_come(partial: Partial) -> None:
    partial.reserve(1024 * KIB)

    assert allocated(partial.path.parent, "key") >= 1024 * KIB


def test_room_that_is_not_needed_is_given_back(partial: Partial) -> None:
    partial.reserve(1024 * KIB)
    partial.trim(10)

    assert allocated(partial.path.parent, "key") < 10 * KIB


def test_room_made_again_leaves_what_is_there(partial: Partial) -> None:
    partial.reserve(100 * KIB)
    partial.write(memoryview(b"x" * 100 * KIB), 0)
    partial.trim(90 * KIB)
    partial.reserve(300 * KIB)

    assert partial.path.read_bytes() == b"x" * 90 * KIB + b"\0" * 210 * KIB


def test_a_journal_is_found_beside_its_bytes(partial: Partial) -> None:
    assert partial.find_journal() is None
    partial.reserve(100)
    partial.write_journal(JOURNAL)

    assert partial.find_journal() == JOURNAL


def test_after_a_clearance_there_is_nothing(partial: Partial) -> None:
    partial.reserve(100)
    partial.write_journal(JOURNAL)
    before = partial.path.stat().st_ino
    keep = partial.path.with_name("keep")
    keep.hardlink_to(partial.path)
    partial.clear()

    assert partial.find_journal() is None
    assert partial.path.stat().st_size == 0
    assert partial.path.stat().st_ino != before


def test_what_was_never_there_takes_no_room(tmp_path: Path) -> None:
    assert allocated(tmp_path, "key") == 0
