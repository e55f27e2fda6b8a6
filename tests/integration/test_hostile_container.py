"""A container that turns against its user: by its labels, its socket and its directory."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ramalama_engines import EngineKind
from ramalama_engines.discovery.connection import open_engine
from tests.integration.cli import SMALL, Cli
from tests.lab.assets import IMAGE as BASE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

IMAGE = "localhost/hostile:1"
RECIPE = """\
FROM {base}
LABEL ai.ramalama="" ai.ramalama.owner="00000000-1-1"
LABEL ai.ramalama.host="127.0.0.1" ai.ramalama.port="{port}"
"""
FILL = "cd /run/ramalama; i=0; while [ $i -lt 1500 ]; do mkdir d; cd d; i=$((i+1)); done"


@pytest.fixture
def trap() -> Generator[socket.socket]:
    """The port that the image names, where no connection may arrive."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        yield listener


@pytest.fixture
def image(cli: Cli, trap: socket.socket, tmp_path: Path) -> str:
    port = trap.getsockname()[1]
    (tmp_path / "Containerfile").write_text(RECIPE.format(base=BASE, port=port))
    with open_engine(EngineKind(cli.service.kind), cli.url) as engine:
        engine.build(tmp_path, tag=IMAGE, build_args={})
    return IMAGE


@contextmanager
def private_socket(path: Path) -> Generator[None]:
    """Listen on a socket of the user's own, and see to it that no connection arrives."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o666)
        listener.settimeout(0)
        yield
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_neither_labels_nor_a_link_lead_a_prompt_elsewhere_and_all_is_removed(
    cli: Cli, model: Path, image: str, trap: socket.socket
) -> None:
    serving = ("--image", image, *SMALL, str(model))
    name = cli.run("serve", "-d", "-q", *serving).out.strip()
    (listed,) = json.loads(cli.run("ps", "--json").out)
    private = cli.home / "private.sock"
    with private_socket(private):
        cli.engine("exec", name, "sh", "-c", f"ln -sf {private} /run/ramalama/api.sock; {FILL}")
        answer = cli.run("run", "--max-tokens=4", *serving, "Hello!")
    stopped = cli.run("stop", name)

    assert listed["address"].startswith("unix://")
    assert answer.code == 0, answer.err
    assert answer.out.strip()
    assert (stopped.code, stopped.err) == (0, "")
    assert (cli.run("ps", "--noheading").out, cli.containers(), cli.leftovers()) == ("", [], [])
    with pytest.raises(BlockingIOError):
        trap.accept()
