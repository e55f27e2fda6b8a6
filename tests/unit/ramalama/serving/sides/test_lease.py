"""What a host is told of a server: that its process lives, or that it is to be kept."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ramalama.planning.labels import UPLOAD_LABEL
from ramalama.serving.sides import lease
from ramalama.serving.sides.lease import FileLeases, VolumeLeases
from ramalama_engines.fake import FakeEngine
from tests.unit.ramalama.serving.sides.here_as_there import HereAsThere

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "0123abcd-42-4711-00ff00ff"
OTHER = "0123abcd-42-4711-00ff00fe"
PATIENCE = 30.0


@pytest.fixture
def leases(tmp_path: Path) -> FileLeases:
    (tmp_path / NAME).mkdir()
    return FileLeases(HereAsThere(), str(tmp_path))


def renewed(leases: FileLeases, *, seconds_ago: float) -> None:
    then = time.time() - seconds_ago
    os.utime(f"{leases.run_dir}/{NAME}/lease", (then, then))


@pytest.mark.parametrize(("seconds_ago", "is_over"), [(0, False), (540, False), (660, True)])
def test_a_lease_is_over_ten_minutes_after_it_was_renewed(
    leases: FileLeases, seconds_ago: float, *, is_over: bool
) -> None:
    leases.begin(NAME).set()
    renewed(leases, seconds_ago=seconds_ago)

    assert leases.is_over(NAME) is is_over


def test_a_server_that_is_kept_has_no_lease_that_could_be_over(leases: FileLeases) -> None:
    leases.begin(NAME).set()
    renewed(leases, seconds_ago=3600)
    before = leases.is_kept(NAME)
    leases.keep(NAME)

    assert not before
    assert leases.is_kept(NAME)
    assert not leases.is_over(NAME)


def test_a_server_without_a_lease_is_not_over(leases: FileLeases) -> None:
    assert not leases.is_over(NAME)
    assert not leases.is_kept(NAME)


class TestInVolumes:
    """Leases on an engine whose host has no files for us."""

    @pytest.fixture
    def engine(self) -> FakeEngine:
        return FakeEngine()

    @pytest.fixture
    def leases(self, engine: FakeEngine) -> VolumeLeases:
        return VolumeLeases(engine)

    @pytest.mark.parametrize(("after", "is_over"), [(600.0, False), (-1.0, True)])
    def test_a_lease_is_over_some_time_after_it_was_renewed(
        self, leases: VolumeLeases, monkeypatch: pytest.MonkeyPatch, after: float, *, is_over: bool
    ) -> None:
        monkeypatch.setattr(lease, "_LEASE_TIME", after)
        leases.begin(NAME).set()

        assert leases.is_over(NAME) is is_over
        assert not leases.is_over(OTHER)

    def test_it_is_renewed_while_the_process_lives(
        self, engine: FakeEngine, leases: VolumeLeases, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lease, "_RENEWED_EVERY", 0.01)
        ended = leases.begin(NAME)
        (first,) = names(engine)
        wait_until(lambda: first not in names(engine))
        ended.set()

        assert list(leases.names()) == [NAME]

    def test_it_is_renewed_no_more_when_the_server_was_removed(
        self, engine: FakeEngine, leases: VolumeLeases, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lease, "_RENEWED_EVERY", 0.01)
        leases.begin(NAME)
        leases.remove(NAME)
        wait_until(lambda: "ramalama-lease" not in {each.name for each in threading.enumerate()})

        assert names(engine) == []

    def test_a_server_that_is_kept_has_no_lease_that_could_be_over(
        self, leases: VolumeLeases, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lease, "_LEASE_TIME", -1.0)
        leases.begin(NAME).set()
        before = leases.is_kept(NAME)
        leases.keep(NAME)

        assert not before
        assert leases.is_kept(NAME)
        assert not leases.is_over(NAME)
        assert list(leases.names()) == [NAME]

    def test_only_what_says_something_of_the_server_is_removed(
        self, engine: FakeEngine, leases: VolumeLeases
    ) -> None:
        for name in (NAME, OTHER):
            leases.begin(name).set()
            leases.keep(name)
        engine.create_volume("ramalama-model-1", {UPLOAD_LABEL: ""})
        leases.remove(NAME)

        assert names(engine) == [f"ramalama-kept-{OTHER}", "ramalama-model-1"]


def names(engine: FakeEngine) -> list[str]:
    return [volume.name for volume in engine.volumes({})]


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)
