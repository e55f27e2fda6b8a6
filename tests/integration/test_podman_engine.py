"""What only Podman can do, or fails to do without a word."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama_engines import (
    ContainerSpec,
    EngineKind,
    HostDevice,
    UnknownRuntime,
    UnsupportedOption,
)
from ramalama_engines.discovery.connection import open_engine
from tests.contract.containers import SLEEP, Containers

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama_engines import Engine
    from tests.lab.account import Account
    from tests.lab.service import EngineService

pytestmark = pytest.mark.engines

NOGROUP = "65534"  # how a user namespace shows a group that it has no number for


@contextmanager
def on(service: EngineService) -> Generator[Containers]:
    """Connect with *service*, and remove in the end what was made there."""
    with open_engine(EngineKind.PODMAN, service.url) as engine:
        containers = Containers(engine)
        try:
            yield containers
        finally:
            containers.clear()


@pytest.fixture
def sleeper(llama_image: str) -> ContainerSpec:
    return ContainerSpec(image=llama_image, command=SLEEP)


@pytest.fixture
def containers(podman_service: EngineService) -> Generator[Containers]:
    with on(podman_service) as containers:
        yield containers


def test_an_oci_runtime_that_podman_would_ignore_is_refused_with_the_remedy(
    podman_engine: Engine, containers: Containers, sleeper: ContainerSpec
) -> None:
    """Podman 6 ignores none; it says that it has no such runtime."""
    takes_any = int(podman_engine.info.version.partition(".")[0]) >= 6
    runtime, message = ("crun", r"'crun'.*runc'.*containers\.conf")
    if takes_any:
        runtime, message = "no-such-runtime", "no OCI runtime no-such-runtime"

    with pytest.raises(UnsupportedOption, match=message) as caught:
        containers.create(replace(sleeper, oci_runtime=runtime))

    assert isinstance(caught.value, UnknownRuntime) == takes_any
    assert containers.all() == {}


def test_the_oci_runtime_that_podman_uses_may_be_asked_for(
    podman_engine: Engine, containers: Containers, sleeper: ContainerSpec
) -> None:
    runtime = podman_engine.info.oci_runtime

    assert containers.output(replace(sleeper, command=("id", "-u"), oci_runtime=runtime)) == ["0"]


@pytest.mark.parametrize("userns", ["auto", "no-such-mode"])
def test_a_user_namespace_that_podman_does_not_make_is_refused(
    containers: Containers, sleeper: ContainerSpec, userns: str
) -> None:
    with pytest.raises(UnsupportedOption, match=userns):
        containers.create(replace(sleeper, userns=userns))

    assert containers.all() == {}


def test_groups_that_runc_would_lose_are_refused(
    containers: Containers, sleeper: ContainerSpec
) -> None:
    with pytest.raises(UnsupportedOption, match="only the OCI runtime crun keeps them"):
        containers.create(replace(sleeper, keep_groups=True))

    assert containers.all() == {}


@pytest.mark.parametrize("keep_groups", [False, True])
def test_crun_keeps_the_groups_of_the_user(
    rootless_crun_service: EngineService,
    sleeper: ContainerSpec,
    keep_groups: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    with on(rootless_crun_service) as containers:
        spec = replace(sleeper, command=("id", "-G"), keep_groups=keep_groups)
        (groups,) = containers.output(spec)

    assert (NOGROUP in groups.split()) == keep_groups


def test_keep_id_gives_the_user_their_own_number(
    rootless_podman_service: EngineService, account: Account, sleeper: ContainerSpec
) -> None:
    with on(rootless_podman_service) as containers:
        spec = replace(sleeper, command=("id", "-u"), userns="keep-id")

        assert containers.output(spec) == [str(account.uid)]


@pytest.mark.parametrize("option", [(), ("disable",), ("type:container_runtime_t", "level:s0")])
def test_selinux_options_are_those_that_were_asked_for(
    podman_service: EngineService,
    containers: Containers,
    sleeper: ContainerSpec,
    option: tuple[str, ...],
) -> None:
    container = containers.create(replace(sleeper, selinux_options=option))

    with podman_service.client() as client:
        inspected = client.get(f"/containers/{container}/json").raise_for_status().json()
    shown = {part for text in inspected["HostConfig"]["SecurityOpt"] for part in text.split(",")}
    assert shown == {"no-new-privileges", *(f"label={part}" for part in option)}


@pytest.mark.parametrize("privileged", [False, True])
def test_only_a_privileged_container_has_privileges(
    containers: Containers,
    sleeper: ContainerSpec,
    privileged: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    spec = replace(sleeper, privileged=privileged, cap_drop=() if privileged else ("all",))

    lines = containers.output(replace(spec, command=("grep", "CapEff", "/proc/self/status")))

    assert (int(lines[0].split()[1], 16) != 0) == privileged


def test_privileges_cannot_be_dropped_from_a_privileged_container(
    containers: Containers, sleeper: ContainerSpec
) -> None:
    with pytest.raises(UnsupportedOption, match="dropped capabilities"):
        containers.create(replace(sleeper, privileged=True))

    assert containers.all() == {}


def test_a_rootless_podman_has_the_devices_that_were_asked_for(
    rootless_podman_service: EngineService, sleeper: ContainerSpec
) -> None:
    """Inspect shows none of them, which is no drop."""
    device = HostDevice.parse("/dev/zero:/dev/accel0")
    with on(rootless_podman_service) as containers:
        spec = replace(sleeper, command=("ls", "/dev/accel0"), devices=(device,))

        assert containers.output(spec) == ["/dev/accel0"]


def test_permissions_that_a_rootless_podman_cannot_enforce_are_refused(
    rootless_podman_service: EngineService, sleeper: ContainerSpec
) -> None:
    with on(rootless_podman_service) as containers:
        spec = replace(sleeper, devices=(HostDevice.parse("/dev/zero:/dev/accel0:r"),))

        with pytest.raises(UnsupportedOption, match=r"permissions 'r' of device /dev/accel0"):
            containers.create(spec)
        assert containers.all() == {}
