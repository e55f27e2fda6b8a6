"""A podman machine on macOS: the command finds it by itself, and uses it as an engine.

The machine is a virtual one of the lab; the command runs as if on macOS.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.cli import saying
from tests.integration.machine_user import MachineCli, machine_user
from tests.integration.made_models import shortened
from tests.lab import assets
from tests.lab.service import EngineService, free_port
from tests.lab.virtual_machine import VirtualMachine, virtual_machine

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

# Without KVM, all takes fifty times as long.
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(1800),
    pytest.mark.programs("qemu-system-x86_64", "mmdebstrap", "mke2fs", "ssh"),
]

# The model has one layer, so it must be told what to say.
SMALL: Final = ("--ctx-size=128", "--temp=0", *saying("Yes"))
ENDLESS: Final = ("--ctx-size=128", "--runtime-args", """--grammar 'root ::= "a"+'""")


@pytest.fixture(scope="module")
def machine(lab: Path) -> Generator[VirtualMachine]:
    with virtual_machine(lab / "vm") as running:
        yield running


@pytest.fixture(scope="module")
def service(machine: VirtualMachine, lab: Path) -> Generator[EngineService]:
    """Its Podman, for the eyes of the tests alone; it has the image."""
    with machine.forwarded(lab / "eyes.sock") as engine:
        assets.ensure_image(engine)
        yield engine


@pytest.fixture
def mac(machine: VirtualMachine, service: EngineService) -> Generator[MachineCli]:
    with machine_user(machine, service) as user:
        yield user


@pytest.fixture(scope="module")
def unshared(lab: Path) -> Path:
    """A model that only this host sees."""
    path = lab / "short.gguf"
    path.write_bytes(shortened(assets.model().read_bytes()))
    path.chmod(0o644)
    return path


def engine_in(mac: MachineCli) -> dict[str, object]:
    engine: dict[str, object] = json.loads(mac.run("info").out)["Engine"]
    assert "Error" not in engine, engine
    return engine


def test_a_machine_without_a_forwarded_socket_is_used_by_ssh(
    mac: MachineCli, unshared: Path
) -> None:
    engine = engine_in(mac)
    empty = mac.run("ps", "--noheading")
    answer = mac.run("run", *SMALL, str(unshared), "Hello!")
    started = mac.run("serve", "-d", *SMALL, str(unshared))
    name = started.out.strip()
    listed, log = mac.run("ps", "--noheading"), mac.run("logs", name)
    stopped = mac.run("stop", name)

    assert str(engine["url"]).startswith(f"ssh://core@127.0.0.1:{mac.machine.port}/")
    assert engine["Why"] == "podman's default connection 'podman-machine-default'"
    assert engine["Machine"] is not None
    assert (empty.code, empty.out) == (0, ""), empty.err
    assert (answer.code, answer.out) == (0, "Yes\n"), answer.err
    assert "Sending the model" in answer.err
    assert started.code == 0, started.err
    assert "Sending the model" not in started.err
    assert name in listed.out
    assert "listening" in log.out
    assert stopped.code == 0, stopped.err
    assert mac.containers() == []

    with mac.start("run", *ENDLESS, str(unshared), "Hello!") as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.kill()
    after = mac.run("ps", "--noheading")
    freed = mac.run("gc", "--engine-side")

    assert (after.code, after.out) == (0, ""), after.err
    assert mac.containers() == []
    assert freed.code == 0, freed.err
    assert mac.there() == []


def test_a_machine_with_a_forwarded_socket_mounts_what_it_shares_and_gets_the_rest(
    mac: MachineCli, unshared: Path
) -> None:
    port = free_port()  # podman machine forwards what is published; the lab, one port
    on_port = ("--network=bridge", f"--port={port}")
    shared = mac.home / unshared.name
    shutil.copy(unshared, shared)
    mac.api_socket.parent.mkdir()
    with mac.machine.forwarded(mac.api_socket, port=port):
        mac.own_files()
        engine = engine_in(mac)
        answers = [
            mac.run("run", *SMALL, *on_port, str(path), "Hello!") for path in (shared, unshared)
        ]
        left = mac.containers()
        listed = json.loads(mac.run("list", "--engine-side", "--json").out)
        freed = mac.run("gc", "--engine-side")

    assert engine["url"] == f"unix://{mac.api_socket}"
    assert [answer.code for answer in answers] == [0, 0], [answer.err for answer in answers]
    assert [answer.out for answer in answers] == ["Yes\n"] * 2
    assert ["Sending the model" in answer.err for answer in answers] == [False, True]
    assert left == []
    assert [each["place"].startswith("ramalama-model-") for each in listed] == [True]
    assert freed.code == 0, freed.err
    assert mac.there() == []
