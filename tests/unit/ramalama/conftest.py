from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def run_dir() -> Generator[Path]:
    """A directory whose path leaves room for that of a socket, which `tmp_path`'s does not."""
    with tempfile.TemporaryDirectory(prefix="rl-") as directory:
        yield Path(directory)


@pytest.fixture(autouse=True)
def _switch_interval() -> Generator[None]:
    """Restore the time after which threads take turns, which `ramalama run` changes."""
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


@pytest.fixture(autouse=True)
def _default_signals() -> Generator[None]:
    """Hear signals as an ordinary process does: a shell's `&` and `nohup` have us ignore some."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
