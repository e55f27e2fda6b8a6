"""Users of the engines, for modules that say ``pytest_plugins = ["tests.integration.users"]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import ROOTFUL, Cli, user_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.service import EngineService


@pytest.fixture(params=ROOTFUL)
def cli(request: pytest.FixtureRequest, lab: Path) -> Generator[Cli]:
    """A user of each rootful engine in turn; parametrize it, indirectly, for others."""
    service: EngineService = request.getfixturevalue(f"{request.param}_service")
    with user_of(service, lab) as user:
        yield user
