"""Labels that an image carries: they decide nothing about a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.planning import labels
from ramalama.planning.plan import make_plan
from ramalama.serving.cleanup import remove_orphaned
from ramalama.serving.lookup import list_servers
from ramalama_chat import UnixEndpoint
from ramalama_engines import ContainerSpec, ContainerStatus
from ramalama_engines.fake.engine import FakeEngine, FakeProgram
from tests.unit.ramalama.made_up import HERE, IMAGE, INPUTS, OPTIONS
from tests.unit.ramalama.serving.servers import IMAGE_NAME, ServerFixture

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from ramalama_engines import ContainerState

HOSTILE = {
    "ai.ramalama": "",
    "ai.ramalama.owner": "00000000-1-1",
    "ai.ramalama.instance": "/run/ramalama/00000000-1-1-00ff",
    "ai.ramalama.host": "192.0.2.1",
    "ai.ramalama.port": "18999",
    "ai.ramalama.model": "file:///etc/passwd",
}
HOSTILE_IMAGE = replace(IMAGE, labels=HOSTILE)
OLD = datetime(2026, 1, 1, tzinfo=UTC)


class AgedEngine(FakeEngine):
    """An engine whose containers were created long ago."""

    def list(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        return [replace(state, created=OLD) for state in super().list(labels)]


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    with ServerFixture(root=run_dir, images={IMAGE_NAME: HOSTILE_IMAGE}) as made:
        yield made


def test_a_server_without_a_network_is_reached_on_its_socket_whatever_its_image_says(
    servers: ServerFixture,
) -> None:
    ramalama = servers.ramalama()
    with ramalama.serve(servers.options) as server:
        (state,) = ramalama.servers()

        assert ramalama.address(state) == str(server.endpoint)
        assert ramalama.attach(server.name).endpoint == server.endpoint
        assert isinstance(server.endpoint, UnixEndpoint)


def test_a_server_whose_socket_vanished_is_not_sought_where_its_image_says(
    servers: ServerFixture,
) -> None:
    ramalama = servers.ramalama()
    with ramalama.serve(servers.options, reuse=True) as first:
        Path(str(first.endpoint).removeprefix("unix://")).unlink()

        with ramalama.serve(servers.options, reuse=True) as second:
            assert second.name != first.name
            assert isinstance(second.endpoint, UnixEndpoint)


def test_the_labels_of_an_older_version_make_no_port_of_a_server_without_a_network(
    servers: ServerFixture,
) -> None:
    ramalama = servers.ramalama()
    with ramalama.serve(servers.options) as server:
        spec = servers.engine.spec(server.name)
        old = {name: value for name, value in spec.labels.items() if value}
        servers.program = FakeProgram()
        servers.engine.start(servers.engine.create(replace(spec, name="old", labels=old)))
        state = ramalama.find("old")

        assert state.labels["ai.ramalama.port"] == HOSTILE["ai.ramalama.port"]
        assert ramalama.address(state) == str(server.endpoint)


@pytest.mark.parametrize("network", ["none", "host", "bridge"])
def test_every_label_that_is_read_is_set_on_every_container(network: str) -> None:
    known = {value for name, value in vars(labels).items() if name.endswith("LABEL")}
    known -= {labels.UPLOAD_LABEL}  # of containers that are no servers
    made = make_plan(replace(INPUTS, options=replace(OPTIONS, network=network)), HERE)

    assert set(made.container.labels) == known


def test_a_container_of_another_program_is_no_server_because_its_image_says_so(
    run_dir: Path,
) -> None:
    engine = AgedEngine(images={"db": HOSTILE_IMAGE})
    database = engine.create(ContainerSpec(image="db", name="database"))
    engine.start(database)

    assert list_servers(engine) == []

    engine.end(database, 0)
    assert remove_orphaned(engine, run_dir) == 0
    assert engine.inspect(database).status is ContainerStatus.EXITED
