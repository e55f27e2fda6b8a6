"""Where a process listens before a server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.planning.labels import INSTANCE_LABEL
from ramalama.serving.fronts import read_front, recorded_front
from ramalama.serving.run_dir import ServerDir
from ramalama.serving.usage import SharedServer
from ramalama.system.process_identity import ProcessIdentity
from tests.unit.ramalama.serving.servers import ServerFixture

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

DEAD = replace(ProcessIdentity.of_this_process(), start=1).format()
ADDRESS = "http://127.0.0.1:8080/v1"


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    with ServerFixture(root=run_dir) as made:
        yield made


def test_the_address_of_a_server_is_that_of_the_process_before_it(servers: ServerFixture) -> None:
    handle = servers.ramalama()
    with handle.serve(servers.options, reuse=True) as server:
        (state,) = handle.servers()
        own = handle.address(state)
        label = server.plan.container.labels[INSTANCE_LABEL]
        with recorded_front(ServerDir(servers.run_dir / label.rpartition("/")[2]), ADDRESS):
            assert handle.address(state) == ADDRESS
        assert handle.address(state) == own


@pytest.mark.parametrize(
    "record",
    [
        "",
        "{}",
        json.dumps({"address": ADDRESS, "process": DEAD}),
        json.dumps({"address": ADDRESS, "process": "x"}),
        json.dumps({"address": 8080, "process": DEAD}),
    ],
)
def test_a_record_that_is_invalid_or_of_a_process_that_has_ended_does_not_count(
    tmp_path: Path, record: str
) -> None:
    directory = ServerDir(tmp_path / "server")
    shared = SharedServer(directory).path
    shared.mkdir()
    (shared / "front").write_text(record)

    assert read_front(directory) is None


def test_a_record_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    directory = ServerDir(tmp_path / "server")

    with recorded_front(directory, ADDRESS):
        assert read_front(directory) is None
