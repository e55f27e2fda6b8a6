"""What a hostile image gets of the host: memory, and space on the disk."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from ramalama_engines import EngineKind
from ramalama_engines.discovery.connection import open_engine
from tests.integration.cli import SMALL, Cli

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

# Its server writes as much as it can to each of its volumes, says how many MiB that were, and ends.
HOSTILE = """\
ARG BASE
FROM ${BASE}
COPY llama-server /usr/bin/llama-server
VOLUME /data /run /mnt/models /tmp/sub
"""
GREEDY = """\
#!/bin/sh
for volume in /data /run /mnt/models /tmp/sub; do
    busybox head -c 200000000 /dev/zero >$volume/x 2>/dev/null
    echo $volume $(busybox du -m $volume/x)
done
exit 3
"""


@pytest.fixture
def hostile(cli: Cli, llama_image: str, tmp_path: Path) -> str:
    """An image whose volumes are greedily filled."""
    (tmp_path / "Containerfile").write_text(HOSTILE)
    (tmp_path / "llama-server").write_text(GREEDY)
    (tmp_path / "llama-server").chmod(0o755)
    tag = f"localhost/hostile/{uuid.uuid4().hex}:1"
    with open_engine(EngineKind(cli.service.kind), cli.service.url) as engine:
        engine.build(tmp_path, tag=tag, build_args={"BASE": llama_image})
    return tag


def test_the_volumes_of_an_image_are_small_and_in_memory(
    cli: Cli, model: Path, hostile: str
) -> None:
    done = cli.run("run", "--image", hostile, *SMALL, str(model), "Hello")

    volumes = ("/data", "/run", "/mnt/models", "/tmp/sub")  # noqa: S108 (the container's own)
    assert (done.code, done.err.splitlines()[1:]) == (
        3,
        [f"  | {volume} 64 {volume}/x" for volume in volumes],
    )
    assert cli.engine("volume", "ls", "--quiet") == ""


def test_a_server_that_takes_more_memory_than_it_may_is_killed(cli: Cli, model: Path) -> None:
    done = cli.run("run", *SMALL, "--memory", "64m", str(model), "Hello")

    assert done.code == 137
    assert "memory ran out; allow it more with --memory" in done.err
