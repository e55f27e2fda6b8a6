"""For every unit test: it may take its time, and ends the threads that it starts."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Generator

_PATIENCE = 10.0  # seconds, for threads that are about to end

# A machine that is busy with other things makes no test fail.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Generator[None]:
    """Fail the test that leaves a thread running, and not the later one that it would disturb."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + _PATIENCE
    while (left := _new_threads(before)) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert left == []


def _new_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    # Threads that `_thread` starts get a "Dummy-" in the list, which stays when they have ended.
    return [
        thread
        for thread in threading.enumerate()
        if thread not in before and not thread.name.startswith("Dummy-")
    ]
