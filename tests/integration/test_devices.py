"""The way of an accelerator's devices into real containers, with devices that are made up."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from ramalama import ModelRef, Ramalama, ServeOptions
from ramalama.diagnostics.inspect_container import ContainerView, look
from ramalama.serving.run_dir import new_server_dir
from ramalama.system.process_identity import ProcessIdentity
from ramalama_engines import ContainerSpec, HostDevice, InvokingUser
from tests.integration.cli import SMALL, Cli
from tests.integration.made_up_devices import (
    CDI_NAME,
    CDI_VARIABLE,
    Card,
    cdi_specification,
    host_with,
    made_up_card,
    specify,
)
from tests.integration.served import Served, serving

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama.serving.server import ModelServer
    from ramalama_engines import Engine
    from tests.lab.account import Account
    from tests.lab.service import EngineService

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

# Beyond those that a real card of the machine may have.
RENDER_NODE = "dri/renderD250"


@pytest.fixture(scope="module")
def card(lab: Path, account: Account) -> Generator[Card]:
    """A render node that the group video may open."""
    with made_up_card(lab, RENDER_NODE, gid=account.shared_gid) as made:
        yield made


@pytest.fixture
def ramalama(engine: Engine, card: Card, tmp_path: Path, lab: Path) -> Ramalama:
    """A RamaLama that finds the card, on each rootful engine in turn."""
    user = InvokingUser(env={}, home=tmp_path, uid=0)
    host = host_with(card, tmp_path)
    return Ramalama(engine=engine, host=host, user=user, run_dir=lab / "devices")


def options(model: Path, **others: object) -> ServeOptions:
    reference = ModelRef.parse(str(model))
    return ServeOptions(model=reference, ctx_size=256, **others)  # type: ignore[arg-type]  # as given


def inside(service: EngineService, server: ModelServer, script: str) -> str:
    return Cli(service=service, home=service.log.parent, url=service.url).engine(
        "exec", server.name, "sh", "-c", script
    )


def test_the_servers_process_has_the_node_and_the_group_that_opens_it(
    ramalama: Ramalama, engine_service: EngineService, card: Card, model: Path
) -> None:
    with ramalama.serve(options(model)) as server:
        listing = inside(engine_service, server, f"ls -ln {card.path}").split()
        status = inside(engine_service, server, "grep ^Groups: /proc/1/status").split()

    assert [listing[0], listing[3]] == ["crw-rw----", str(card.gid)]
    assert str(card.gid) in status


def test_no_device_means_that_the_accelerators_stay_outside(
    ramalama: Ramalama, engine_service: EngineService, card: Card, model: Path
) -> None:
    with ramalama.serve(options(model, devices=())) as server:
        listing = inside(engine_service, server, "ls /dev")

    assert ramalama.accelerator(options(model)).device_paths == (card.path,)
    assert "dri" not in listing.split()


def look_as(engine: Engine, image: str, card: Card, run_dir: Path, *groups: str) -> ContainerView:
    """Look from inside a container at the card, as a user who is not root."""
    spec = ContainerSpec(
        image=image,
        labels={"ai.ramalama": "", "ai.ramalama.owner": ProcessIdentity.of_this_process().format()},
        devices=(HostDevice(source=card.path, target=card.path),),
        user="1000:1000",
        groups=groups,
    )
    return look(engine, spec, new_server_dir(run_dir, ProcessIdentity.of_this_process()), mounts=())


def opens(engine: Engine, image: str, card: Card, *groups: str) -> bool:
    """Try to read from the card, as a user who is not root."""
    container = engine.create(
        ContainerSpec(
            image=image,
            entrypoint=("cat",),
            command=(card.path,),
            devices=(HostDevice(source=card.path, target=card.path),),
            user="1000:1000",
            groups=groups,
        )
    )
    try:
        engine.start(container)
        return engine.wait(container) == 0
    finally:
        engine.remove(container, force=True)


@pytest.mark.parametrize("in_group", [True, False])
def test_who_is_not_root_may_open_the_node_by_its_group_alone_and_the_probe_sees_that(
    engine: Engine,
    llama_image: str,
    card: Card,
    lab: Path,
    in_group: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    groups = (str(card.gid),) if in_group else ()

    sight = look_as(engine, llama_image, card, lab, *groups)

    assert sight.nodes is not None
    (node,) = sight.nodes
    assert (node.path, node.mode, node.gid) == (card.path, 0o660, card.gid)
    assert sight.may_use(node) is in_group
    assert opens(engine, llama_image, card, *groups) is in_group


@pytest.fixture
def by_cdi(request: pytest.FixtureRequest, lab: Path, card: Card) -> Generator[Served]:
    """A server on Podman that was given the card by its CDI name."""
    with (
        cdi_specification(lab, specify(card.path)),
        serving(request, "podman", f"--device={CDI_NAME}") as server,
    ):
        yield server


def test_a_cdi_name_brings_the_node_and_the_environment(by_cdi: Served, card: Card) -> None:
    name, value = CDI_VARIABLE

    assert by_cdi.inside(f"test -c {card.path} && cat {card.path} && echo opened") == "opened"
    assert by_cdi.env[name] == value


@pytest.mark.parametrize("cli", ["docker"], indirect=True)
def test_a_docker_without_cdi_says_so_and_nothing_is_created(
    cli: Cli, docker_engine: Engine, lab: Path, card: Card, model: Path
) -> None:
    """Docker has CDI on by default since 28."""
    with cdi_specification(lab, specify(card.path)):
        done = cli.run("run", *SMALL, f"--device={CDI_NAME}", str(model), "Hello")

    if docker_engine.info.cdi:
        assert done.code == 0
    else:
        assert (done.code, "cannot resolve CDI devices" in done.complaint) == (38, True)
    assert cli.containers() == []


def broken(**edits: object) -> str:
    device = {"name": "0", "containerEdits": edits}
    return json.dumps({"cdiVersion": "0.5.0", "kind": "ramalama.test/gpu", "devices": [device]})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"cdiVersion":', f"no CDI specification .* describes {CDI_NAME}"),
        ("devices: [\n- ] x", f"no CDI specification .* describes {CDI_NAME}"),
        (broken(deviceNodes=[{"path": "/etc/shadow"}]), "/etc/shadow, which is not a device"),
        (broken(deviceNodes=[{"path": "/dev/no-such-card"}]), "/dev/no-such-card, which is"),
        (specify("/dev/null").replace('"0.5.0"', '"99.0"'), "no CDI specification"),
    ],
    ids=["json", "yaml", "outside-dev", "no-such-node", "version"],
)
@pytest.mark.parametrize("cli", ["podman"], indirect=True)
def test_a_cdi_specification_that_is_broken_or_hostile_is_named_and_nothing_stays(
    cli: Cli, lab: Path, model: Path, text: str, complaint: str
) -> None:
    with cdi_specification(lab, text):
        done = cli.run("run", *SMALL, f"--device={CDI_NAME}", str(model), "Hello")

    assert done.code == 22
    assert re.search(complaint, done.complaint), done.complaint
    assert cli.containers() == []


@pytest.mark.parametrize("cli", ["podman"], indirect=True)
def test_a_cdi_specification_whose_program_is_not_there_is_told_by_the_oci_runtime(
    cli: Cli, lab: Path, model: Path
) -> None:
    text = broken(hooks=[{"hookName": "createContainer", "path": "/no/such/hook"}])
    with cdi_specification(lab, text):
        done = cli.run("run", *SMALL, f"--device={CDI_NAME}", str(model), "Hello")

    assert done.code == 125
    assert "/no/such/hook" in done.complaint
    assert cli.containers() == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CUDA_VISIBLE_DEVICES", "first"),
        ("CUDA_VISIBLE_DEVICES", "0,0"),
        ("HIP_VISIBLE_DEVICES", "97"),
        ("GGML_VK_VISIBLE_DEVICES", "0;reboot"),
    ],
)
def test_visible_devices_that_make_no_sense_are_refused_before_anything_is_created(
    cli: Cli, model: Path, variable: str, value: str
) -> None:
    done = cli.run("run", *SMALL, str(model), "Hello", env={variable: value})

    assert done.code == 22
    assert f"{variable}={value!r}" in done.complaint
    assert cli.containers() == []
