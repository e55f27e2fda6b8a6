"""Podman's JSON read into values; the golden answers were recorded from podman 4.3.1 to 5.8.6."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ramalama_engines.kinds import EngineKind
from ramalama_engines.podman.answers import container_state, engine_info, listed_state, local_image
from ramalama_engines.spec import (
    ContainerState,
    ContainerStatus,
    EngineInfo,
    LocalImage,
    PortBinding,
)

GOLDEN = Path(__file__).with_name("golden")
SOME = datetime(2026, 1, 2, tzinfo=UTC)
CONTAINER = ContainerState(
    id="",
    name="golden",
    image="quay.io/ramalama/ramalama:0.25",
    status=ContainerStatus.CREATED,
    created=SOME,
    labels={"ai.ramalama": "true", "empty": ""},
    ports=(PortBinding(container_port=8080, host_port=1),),
)
ROOTFUL = EngineInfo(
    kind=EngineKind.PODMAN,
    version="4.3.1",
    api_version="4.3.1",
    url="unix:///s",
    rootless=False,
    user_namespace=False,
    oci_runtime="runc",
    oci_runtimes=("runc",),
    selinux=False,
    cgroup_version=1,
    cdi=True,
)


def golden(name: str) -> Any:  # noqa: ANN401 (JSON)
    return json.loads((GOLDEN / f"podman-{name}.json").read_text())


def alike(state: ContainerState) -> ContainerState:
    """Replace what is another in each recording."""
    assert len(state.id) == 64
    assert state.created is not None
    assert state.created.tzinfo is not None
    ports = tuple(replace(port, host_port=1) for port in state.ports if port.host_port > 1)
    return replace(state, id="", created=SOME, ports=ports)


@pytest.mark.parametrize("version", ["4.3.1", "5.4.2", "5.8.6"])
def test_a_container_is_read_from_inspect(version: str) -> None:
    expected = replace(CONTAINER, network="bridge")

    assert alike(container_state(golden(f"{version}-inspect"))) == expected


@pytest.mark.parametrize("version", ["4.3.1", "5.8.6"])
def test_a_container_is_read_from_a_list(version: str) -> None:
    (item,) = golden(f"{version}-list")

    assert alike(listed_state(item)) == CONTAINER


@pytest.mark.parametrize(
    ("word", "status", "exit_code"),
    [
        ("configured", ContainerStatus.CREATED, None),
        ("created", ContainerStatus.CREATED, None),
        ("initialized", ContainerStatus.CREATED, None),
        ("running", ContainerStatus.RUNNING, None),
        ("stopping", ContainerStatus.RUNNING, None),
        ("paused", ContainerStatus.PAUSED, None),
        ("stopped", ContainerStatus.EXITED, 137),
        ("exited", ContainerStatus.EXITED, 137),
        ("removing", ContainerStatus.REMOVING, None),
        ("on holiday", ContainerStatus.UNKNOWN, None),
    ],
)
def test_podmans_words_for_a_state_have_a_meaning(
    word: str, status: ContainerStatus, exit_code: int | None
) -> None:
    inspected, (listed,) = golden("4.3.1-inspect"), golden("4.3.1-list")
    inspected["State"] |= {"Status": word, "ExitCode": 137, "OOMKilled": True}
    listed |= {"State": word, "ExitCode": 137}

    state, item = container_state(inspected), listed_state(listed)

    assert (state.status, state.exit_code, state.oom_killed) == (status, exit_code, True)
    assert (item.status, item.exit_code) == (status, exit_code)


def test_a_container_without_labels_and_ports_has_null_for_them() -> None:
    inspected, (listed,) = golden("5.8.6-inspect"), golden("5.8.6-list")
    inspected["Config"]["Labels"] = inspected["NetworkSettings"]["Ports"] = None
    listed |= {"Labels": None, "Ports": None}

    for state in (container_state(inspected), listed_state(listed)):
        assert (state.labels, state.ports) == ({}, ())


def test_only_tcp_ports_with_a_binding_are_told_and_an_empty_address_means_all() -> None:
    inspected, (listed,) = golden("5.8.6-inspect"), golden("5.8.6-list")
    inspected["NetworkSettings"]["Ports"] = {
        "53/udp": [{"HostIp": "", "HostPort": "53"}],
        "80/tcp": None,
        "90/tcp": [{"HostIp": "", "HostPort": "9000"}],
        "91/tcp": [{"HostIp": "", "HostPort": "9001"}],
    }
    listed["Ports"] = [
        {"host_ip": "", "container_port": 53, "host_port": 53, "range": 1, "protocol": "udp"},
        {"host_ip": "", "container_port": 90, "host_port": 9000, "range": 2, "protocol": "tcp"},
    ]

    assert container_state(inspected).ports == listed_state(listed).ports
    assert listed_state(listed).ports == (
        PortBinding(container_port=90, host_port=9000, host_address="0.0.0.0"),  # noqa: S104
        PortBinding(container_port=91, host_port=9001, host_address="0.0.0.0"),  # noqa: S104
    )


@pytest.mark.parametrize(
    ("inspect", "image"),
    [
        (
            {
                "Id": "8c52",
                "RepoDigests": ["localhost/x@sha256:18e5"],
                "Config": {
                    "User": "5",
                    "Env": ["PATH=/bin", "X=y=z", "EMPTY="],
                    "Entrypoint": ["echo", "a b"],
                    "Cmd": ["c"],
                    "Labels": {"q": "r"},
                    "Volumes": {"/data": {}},
                },
            },
            LocalImage(
                id="8c52",
                entrypoint=("echo", "a b"),
                command=("c",),
                user="5",
                env={"PATH": "/bin", "X": "y=z", "EMPTY": ""},
                labels={"q": "r"},
                volumes=("/data",),
                digests=("localhost/x@sha256:18e5",),
            ),
        ),
        ({"Id": "8c52", "RepoDigests": None, "Config": {}}, LocalImage(id="8c52")),
        ({"Id": "8c52", "Config": {"Volumes": None}}, LocalImage(id="8c52")),
        ({"Id": "8c52", "Config": None}, LocalImage(id="8c52")),
    ],
    ids=["all of it", "an imported archive", "no volumes", "nothing at all"],
)
def test_an_image_is_read_from_inspect(inspect: dict[str, Any], image: LocalImage) -> None:
    assert local_image(inspect) == image


@pytest.mark.parametrize(
    ("name", "info"),
    [
        ("4.3.1", ROOTFUL),
        ("5.8.6", replace(ROOTFUL, version="5.8.6", api_version="5.8.6")),
        (
            "5.8.6-rootless",
            replace(
                ROOTFUL,
                version="5.8.6",
                api_version="5.8.6",
                rootless=True,
                user_namespace=True,
                oci_runtime="crun",
                oci_runtimes=("crun",),
                cgroup_version=2,
                limits_memory=False,
            ),
        ),
    ],
)
def test_the_service_says_what_it_is(name: str, info: EngineInfo) -> None:
    assert replace(engine_info(golden(f"{name}-info"), url="unix:///s"), id="") == info


def test_the_service_says_what_its_host_is() -> None:
    answer = golden("5.8.6-info")
    host = {"hostname": "gpu", "cpus": 16, "memTotal": 1 << 34, "kernel": "6.1.0"}
    store = {"graphRoot": "/var/lib/containers/storage"}
    mine = {**answer, "host": {**answer["host"], **host}, "store": store}
    other = {**mine, "store": {"graphRoot": "/home/me/.local/share/containers/storage"}}

    info = engine_info(mine, url="unix:///s")

    assert (info.host, info.cpus, info.memory, info.kernel) == ("gpu", 16, 1 << 34, "6.1.0")
    assert info.id == engine_info(mine, url="ssh://gpu/s").id != engine_info(other, url="x").id
