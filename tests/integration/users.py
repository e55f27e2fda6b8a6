"""Users of the engines, and what those of an engine elsewhere need.

For modules that say ``pytest_plugins = ["tests.integration.users"]``.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.cli import ROOTFUL, Cli, user_of
from tests.lab.hidden import Hidden, hidden
from tests.lab.sshd import SshService, sshd

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.service import EngineService

_SERIAL: Final = count()


@pytest.fixture(params=ROOTFUL)
def cli(request: pytest.FixtureRequest, lab: Path) -> Generator[Cli]:
    """A user of each rootful engine in turn; parametrize it, indirectly, for others."""
    service: EngineService = request.getfixturevalue(f"{request.param}_service")
    with user_of(service, lab) as user:
        yield user


@pytest.fixture(scope="module")
def own(lab: Path, model: Path) -> Generator[Hidden]:
    """Files that only the user sees."""
    with hidden(lab / f"own-{next(_SERIAL)}") as directory:
        directory.copy(model)
        yield directory


@pytest.fixture(scope="module")
def far_sshd(lab: Path) -> Generator[SshService]:
    """The ssh service of the engines' host, with empty home directories there."""
    lab.chmod(0o755)
    with sshd(lab / f"far-{next(_SERIAL)}") as service:
        service.directory.chmod(0o755)
        yield service
