from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def run_dir() -> Generator[Path]:
    """A directory whose path leaves room for that of a socket, which `tmp_path`'s does not."""
    with tempfile.TemporaryDirectory(prefix="rl-") as directory:
        yield Path(directory)
