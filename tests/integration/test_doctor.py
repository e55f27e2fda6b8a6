"""`ramalama doctor` on real engines: what it says of a container, against what a server has."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.cli import Cli, eventually
from tests.integration.made_up_devices import (
    CDI_NAME,
    CDI_VARIABLE,
    Card,
    cdi_specification,
    let_use,
    made_up_card,
    specify,
)
from tests.integration.served import serving

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from ramalama_engines import Engine
    from tests.lab.account import Account

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def card(lab: Path, account: Account) -> Generator[Card]:
    """A device that the group video may open."""
    with made_up_card(lab, f"{lab.name}-doctor", gid=account.shared_gid) as made:
        yield made


def diagnose(cli: Cli, *options: str, code: int = 0) -> Mapping[str, Any]:
    """Run the doctor, who must leave nothing behind, and return what it says."""
    done = cli.run("doctor", "--json", *options)

    assert (done.code, done.err) == (code, "")
    assert cli.leftovers() == []
    return dict(json.loads(done.out))


def test_a_host_without_an_accelerator_is_healthy(cli: Cli) -> None:
    done = cli.run("doctor")

    assert (done.code, done.err) == (0, "")
    assert f"Engine       {cli.service.kind} at {cli.url}\n" in done.out
    assert "Seen         no device\n" in done.out
    assert "Seen         capabilities 0x0, network lo\n" in done.out
    assert done.out.endswith("No problem was found.\n")
    assert cli.leftovers() == []


@pytest.mark.parametrize(
    ("engine", "network"),
    [
        ("podman", "none"),
        ("podman", "bridge"),
        ("docker", "none"),
        ("docker", "bridge"),
        ("rootless_podman", "none"),
    ],
)
def test_the_doctor_sees_what_a_server_with_the_same_options_has(
    request: pytest.FixtureRequest, engine: str, network: str, card: Card
) -> None:
    options = (f"--device={card.path}:/dev/card", f"--network={network}", "--env=GGML_X=a b")
    with serving(request, engine, *options) as server:
        said = json.loads(server.cli.run("doctor", "--json", *options).out)
        listing = server.inside("ls -ln /dev/card").split()
        interfaces = server.inside("ls /sys/class/net").split()
        inside = server.inside("grep -E '^(Uid|Gid|Groups|CapEff|NoNewPrivs):' /proc/1/status")

    status = {line.split(":")[0]: line.split()[1:] for line in inside.splitlines()}
    (node,) = said["Seen"]["nodes"]
    assert listing[0] == "crw-rw----"
    assert (node["path"], node["mode"]) == ("/dev/card", 0o660)
    assert [str(node["uid"]), str(node["gid"])] == listing[2:4]
    assert [str(said["Seen"]["uid"]), str(said["Seen"]["gid"])] == [
        status["Uid"][1],
        status["Gid"][1],
    ]
    assert list(map(str, said["Seen"]["groups"])) == status["Groups"]
    assert said["Seen"]["capabilities"] == int(status["CapEff"][0], 16)
    assert said["Seen"]["no_new_privileges"] is (status["NoNewPrivs"] == ["1"])
    assert sorted(said["Seen"]["interfaces"]) == sorted(interfaces)
    assert said["Seen"]["env"] == {"GGML_X": "a b"}


@pytest.mark.parametrize("cli", ["rootless_podman"], indirect=True)
def test_a_group_that_stays_outside_is_found_with_its_remedy(cli: Cli, card: Card) -> None:
    said = diagnose(cli, f"--device={card.path}", code=1)

    (problem,) = said["Problems"]
    assert f"the server may not open {card.path}" in problem["message"]
    assert "--keep-groups" in problem["remedy"]


@pytest.mark.parametrize("cli", ["rootless_crun"], indirect=True)
def test_that_remedy_helps(cli: Cli, card: Card) -> None:
    said = diagnose(cli, f"--device={card.path}", "--keep-groups")

    assert [node["path"] for node in said["Seen"]["nodes"]] == [card.path]
    assert said["Problems"] == []


@pytest.mark.parametrize("allowed", [True, False])
def test_a_node_that_an_access_control_list_opens_to_the_user_is_no_problem(
    request: pytest.FixtureRequest,
    lab: Path,
    account: Account,
    allowed: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    with made_up_card(lab, f"{lab.name}-listed", gid=0) as card:
        let_use(card, account.uid if allowed else account.uid + 1)
        device = f"--device={card.path}"
        with serving(request, "rootless_podman", device) as server:
            opened = server.inside(f"cat {card.path} 2>/dev/null && echo yes || echo no")
            done = server.cli.run("doctor", device)

    assert opened == ("yes" if allowed else "no")
    assert done.code == (0 if allowed else 1)


def test_a_device_that_is_not_there_is_found(cli: Cli) -> None:
    done = cli.run("doctor", "--device=/dev/no-such-card")

    assert done.code == 1
    assert "Seen         nothing: no container could be started\n" in done.out
    assert "/dev/no-such-card" in done.out.splitlines()[-1]


@pytest.mark.parametrize("cli", ["podman"], indirect=True)
def test_what_cdi_brings_is_shown(cli: Cli, lab: Path, card: Card) -> None:
    with cdi_specification(lab, specify(card.path)):
        said = diagnose(cli, f"--device={CDI_NAME}")

    assert [node["path"] for node in said["Seen"]["nodes"]] == [card.path]
    assert said["Seen"]["env"] == dict([CDI_VARIABLE])


@pytest.mark.parametrize("cli", ["podman"], indirect=True)
def test_a_cdi_specification_that_podman_passes_over_is_named(cli: Cli, lab: Path) -> None:
    with cdi_specification(lab, '{"cdiVersion":') as path:
        said = diagnose(cli, f"--device={CDI_NAME}", code=1)

    causes = [problem["message"] for problem in said["Problems"]]
    assert len(causes) == 2
    assert f"describes {CDI_NAME}" in causes[0]
    assert f"the CDI specification {path} is not used" in causes[1]


@pytest.mark.parametrize("cli", ["docker"], indirect=True)
def test_a_docker_without_cdi_is_found(
    cli: Cli, docker_engine: Engine, lab: Path, card: Card
) -> None:
    """Docker has CDI on by default since 28."""
    has_cdi = docker_engine.info.cdi
    with cdi_specification(lab, specify(card.path)):
        said = diagnose(cli, f"--device={CDI_NAME}", code=0 if has_cdi else 1)

    messages = [problem["message"] for problem in said["Problems"]]
    assert [message.partition(" CDI")[0] for message in messages] == (
        [] if has_cdi else ["this Docker cannot resolve"]
    )


def test_secrets_in_the_environment_are_not_shown(cli: Cli) -> None:
    done = cli.run("doctor", "--json", "--env=HF_TOKEN=a-secret")

    assert done.code == 0
    assert "a-secret" not in done.out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_doctor_who_is_killed_leaves_nothing(cli: Cli, number: signal.Signals) -> None:
    with cli.start("doctor") as process:
        eventually(lambda: cli.container_of(process.pid) or process.poll() is not None)
        process.send_signal(number)
        process.communicate()

    assert process.returncode in (128 + number, -number)
    if number == signal.SIGKILL:
        assert cli.run("ps").code == 0  # any command cleans up after the dead
    assert cli.leftovers() == []
