"""Room on the disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import StoreError
from ramalama.models.download.partial import disk_errors, require_space

if TYPE_CHECKING:
    from pathlib import Path


def test_there_is_room_for_little(tmp_path: Path) -> None:
    require_space(tmp_path, 1000)


def test_one_hundredth_more_is_wanted_than_is_fetched(tmp_path: Path) -> None:
    status = os.statvfs(tmp_path)
    free = status.f_bavail * status.f_frsize

    with pytest.raises(StoreError, match=r"do not fit into .*: .* are missing"):
        require_space(tmp_path, int(free * 0.999))


def test_what_is_there_already_needs_no_room(tmp_path: Path) -> None:
    require_space(tmp_path, 10**15, there=10**15 + 10**13)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (OSError(28, "No space left on device"), "there is no space left in "),
        (OSError(122, "Disk quota exceeded"), "there is no space left in "),
        (OSError(5, "Input/output error"), "cannot be used: Input/output error"),
    ],
)
def test_a_disk_that_fails_is_named(tmp_path: Path, failure: OSError, words: str) -> None:
    with pytest.raises(StoreError, match=words) as caught, disk_errors("blob", tmp_path):
        raise failure

    assert str(tmp_path) in str(caught.value)
