"""What real engines show of the devices of their host, with devices that are made up."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.serving.sides.accelerators import look_for_accelerators
from ramalama.serving.sides.host_listing import read_listing
from ramalama.serving.sides.listing_program import PROGRAM
from ramalama.serving.sides.worker import Workers
from ramalama_accel import DeviceNode, detect
from ramalama_accel.cdi.specs import read_inventory
from ramalama_engines import BindMount, EngineKind
from ramalama_engines.discovery.connection import open_engine
from ramalama_engines.fake import FakeEngine
from ramalama_engines.podman.engine import PodmanEngine
from tests.integration.made_up_devices import (
    CDI_NAME,
    Card,
    cdi_specification,
    made_up_card,
    specify,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama.serving.sides.snapshot import Snapshot
    from ramalama_engines import Engine
    from tests.lab.account import Account
    from tests.lab.service import EngineService

pytestmark = pytest.mark.engines

_RENDER_NODE = "dri/renderD251"
_SLOWEST = 10.0  # seconds, on a busy machine


@pytest.fixture(scope="module")
def card(lab: Path, account: Account) -> Generator[Card]:
    """A render node that the group video may open."""
    with made_up_card(lab, _RENDER_NODE, gid=account.shared_gid) as made:
        yield made


def look(engine: Engine, image: str, run_dir: Path) -> Snapshot:
    begin = time.perf_counter()
    snapshot = look_for_accelerators(engine, image, run_dir)
    assert time.perf_counter() - begin < _SLOWEST
    assert snapshot is not None
    assert snapshot.failure == ""
    assert not engine.list({"ai.ramalama-upload": ""})
    return snapshot


def test_a_rootful_engine_shows_a_device_with_its_group_and_a_cdi_specification(
    engine: Engine, card: Card, llama_image: str, lab: Path, tmp_path: Path
) -> None:
    with cdi_specification(lab, specify(card.path)):
        snapshot = look(engine, llama_image, tmp_path)

    host = snapshot.host({})
    assert host.node(card.path) == DeviceNode(mode=0o660, uid=0, gid=card.gid)
    assert CDI_NAME in read_inventory(host).devices
    assert "renderD251" in host.names("/dev/dri")
    # The kernel knows no driver of it, so it is tried with Vulkan.
    assert card.path in detect(host).accelerator.device_paths
    assert detect(host).accelerator.groups == (card.gid,)


def test_a_file_that_a_cdi_specification_names_is_looked_for(
    engine: Engine, card: Card, llama_image: str, lab: Path, tmp_path: Path
) -> None:
    mounts = '[{"hostPath": "/usr/bin/env"}, {"hostPath": "/usr/lib/no-such-driver.so"}]'
    text = specify(card.path).replace('{"deviceNodes"', f'{{"mounts": {mounts}, "deviceNodes"')
    with cdi_specification(lab, text):
        snapshot = look(engine, llama_image, tmp_path)

    host = snapshot.host({})
    assert host.exists("/usr/bin/env")
    assert not host.exists("/usr/lib/no-such-driver.so")


@pytest.fixture
def rootless_engine(
    rootless_crun_service: EngineService, monkeypatch: pytest.MonkeyPatch
) -> Generator[Engine]:
    """A connection to the rootless Podman.

    Where it may not see the cgroups, it says nothing of itself.
    """
    info = replace(FakeEngine().info, url=rootless_crun_service.url, oci_runtime="crun")
    monkeypatch.setattr(PodmanEngine, "info", info)
    with open_engine(EngineKind.PODMAN, rootless_crun_service.url) as engine:
        yield engine


def test_a_rootless_engine_offers_a_device_that_every_user_may_open(
    rootless_engine: Engine, card: Card, llama_image: str, lab: Path, tmp_path: Path
) -> None:
    with made_up_card(lab, "dri/renderD252", gid=0) as open_card:
        Path(open_card.path).chmod(0o666)
        host = look(rootless_engine, llama_image, tmp_path).host({})

    assert host.node(card.path) is not None
    assert not host.may_use(card.path)
    assert detect(host).accelerator.device_paths == (open_card.path,)


def test_debians_shell_tells_which_devices_a_group_of_the_rootless_user_opens(
    rootless_engine: Engine, card: Card, llama_image: str, lab: Path
) -> None:
    """Busybox's, which is in the test's image, cannot tell; see `host_listing`."""
    (loader,) = Path("/usr/lib").glob("*/ld-linux-*.so.*")
    shell = (f"/host{loader}", "--library-path", f"/host{loader.parent}", "/host/usr/bin/dash")
    mounts = (
        BindMount(source="/dev", target="/probe/dev"),
        BindMount(source="/usr", target="/host/usr"),
    )
    workers = Workers(rootless_engine, llama_image, mounts, "", keep_groups=True)
    directories = ("/sys", "/proc", "/probe/dev", "/none", "/none", "/none")
    with (
        made_up_card(lab, "dri/renderD252", gid=4321) as roots,
        workers.created((*shell, "-c", PROGRAM, "sh", *directories)) as container,
    ):
        rootless_engine.start(container)
        rootless_engine.wait(container, timeout=30)
        listing = read_listing(rootless_engine.logs(container))

    assert {card.path, roots.path} <= set(listing.nodes)
    assert card.path in listing.openable
    assert roots.path not in listing.openable
