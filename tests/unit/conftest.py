"""For every unit test: check that it ends the threads that it starts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_PATIENCE = 10.0  # seconds, for threads that are about to end


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Generator[None]:
    """Fail the test that leaves a thread running, and not the later one that it would disturb."""
    before = set(threading.enumerate())
    yield
    # Threads that `_thread` starts get a "Dummy-" in this list, which stays when they have ended.
    left = [thread for thread in threading.enumerate() if not thread.name.startswith("Dummy-")]
    left = [thread for thread in left if thread not in before]
    for thread in left:
        thread.join(_PATIENCE)
    assert [thread for thread in left if thread.is_alive()] == []
