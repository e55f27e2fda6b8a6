"""What a host is told of a server: that its process lives, or that it is to be kept."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from ramalama.serving.sides.lease import Leases
from tests.unit.ramalama.serving.sides.here_as_there import HereAsThere

if TYPE_CHECKING:
    from pathlib import Path

NAME = "0123abcd-42-4711-00ff00ff"


@pytest.fixture
def leases(tmp_path: Path) -> Leases:
    (tmp_path / NAME).mkdir()
    return Leases(HereAsThere(), str(tmp_path))


def renewed(leases: Leases, *, seconds_ago: float) -> None:
    then = time.time() - seconds_ago
    os.utime(f"{leases.run_dir}/{NAME}/lease", (then, then))


@pytest.mark.parametrize(("seconds_ago", "is_over"), [(0, False), (540, False), (660, True)])
def test_a_lease_is_over_ten_minutes_after_it_was_renewed(
    leases: Leases, seconds_ago: float, *, is_over: bool
) -> None:
    leases.begin(NAME).set()
    renewed(leases, seconds_ago=seconds_ago)

    assert leases.is_over(NAME) is is_over


def test_a_server_that_is_kept_has_no_lease_that_could_be_over(leases: Leases) -> None:
    leases.begin(NAME).set()
    renewed(leases, seconds_ago=3600)
    before = leases.is_kept(NAME)
    leases.keep(NAME)

    assert not before
    assert leases.is_kept(NAME)
    assert not leases.is_over(NAME)


def test_a_server_without_a_lease_is_not_over(leases: Leases) -> None:
    assert not leases.is_over(NAME)
    assert not leases.is_kept(NAME)
