from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama.http import open_http
from tests.doubles.server import FileServer
from tests.unit.ramalama.download.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer() as running:
        yield running


@pytest.fixture
def kit(server: FileServer, tmp_path: Path) -> Generator[Kit]:
    with open_http() as client:
        yield Kit(server, client, tmp_path / "store")
