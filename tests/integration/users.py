"""Users of the engines, for modules that say ``pytest_plugins = ["tests.integration.users"]``."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.cli import ROOTFUL, Cli

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.service import EngineService

_SERIAL: Final = count()


@contextmanager
def user_of(service: EngineService, lab: Path) -> Generator[Cli]:
    """Make a user of *service*; complain if commands have left anything behind."""
    home = lab / f"user-{next(_SERIAL)}"
    for directory in (home, home / "run", home / "config"):
        directory.mkdir(mode=0o700)
        if service.account is not None:
            os.chown(directory, service.account.uid, service.account.gid)
    cli = Cli(service=service, home=home, url=service.url)
    yield cli
    assert cli.leftovers() == []
    shutil.rmtree(home)


@pytest.fixture(params=ROOTFUL)
def cli(request: pytest.FixtureRequest, lab: Path) -> Generator[Cli]:
    """A user of each rootful engine in turn; parametrize it, indirectly, for others."""
    service: EngineService = request.getfixturevalue(f"{request.param}_service")
    with user_of(service, lab) as user:
        yield user
