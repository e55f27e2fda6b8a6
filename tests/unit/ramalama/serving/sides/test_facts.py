"""What is kept of an engine's host, and what of it is believed."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from ramalama.serving.sides.facts import VALID, HostFacts, forget, place_of

if TYPE_CHECKING:
    from pathlib import Path

URL = "ssh://me@far.example/run/podman.sock"
FACTS = HostFacts(
    engine="1", cpus=4, memory=8 << 30, sees_files=True, has_sockets=True, uid=1000, gid=1000
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The file of the facts, which were written."""
    FACTS.write(tmp_path, URL)
    return place_of(tmp_path, URL)


def test_facts_are_kept_until_they_are_forgotten(place: Path) -> None:
    assert HostFacts.read(place.parent, URL) == FACTS

    forget(place.parent, URL)

    assert HostFacts.read(place.parent, URL) is None


@pytest.mark.parametrize(
    "change",
    [{"cpus": "4"}, {"store": None}, {"sees_files": 1}, {"uid": True}, {"more": 1}, {"version": 0}],
)
def test_facts_of_the_wrong_kind_do_not_count(place: Path, change: dict[str, object]) -> None:
    place.write_text(json.dumps({**json.loads(place.read_text()), **change}))

    assert HostFacts.read(place.parent, URL) is None


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1', '{"version": 1}', "[" * 9999])
def test_facts_that_were_half_written_do_not_count(place: Path, text: str) -> None:
    place.write_text(text)

    assert HostFacts.read(place.parent, URL) is None


@pytest.mark.parametrize("ago", [VALID + 60, -VALID - 60])
def test_facts_from_another_day_do_not_count(place: Path, ago: float) -> None:
    os.utime(place, (0, time.time() - ago))

    assert HostFacts.read(place.parent, URL) is None
