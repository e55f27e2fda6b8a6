"""A server that is kept after its user has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama.errors import OptionRefused
from tests.unit.ramalama.serving.servers import ServerFixture

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    with ServerFixture(root=run_dir) as made:
        yield made


def test_a_server_that_is_closed_is_not_kept_and_leaves_no_record(servers: ServerFixture) -> None:
    server = servers.ramalama().start(servers.options)
    server.close()

    with pytest.raises(OptionRefused, match="is closed"):
        server.detach()

    assert servers.is_clean()
