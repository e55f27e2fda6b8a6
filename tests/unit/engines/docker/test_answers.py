"""What Docker answers, as our values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ramalama_engines.docker.answers import (
    engine_info,
    inspected_container,
    is_rootless,
    listed_container,
    local_image,
    skips_tls,
)
from ramalama_engines.image_reference import ImageReference
from ramalama_engines.spec import ContainerState, ContainerStatus, LocalImage, PortBinding

INSPECTED: dict[str, Any] = {
    "Id": "7d09",
    "Created": "2026-11-22T16:49:10.297870789Z",
    "Name": "/ramalama_x",
    "State": {"Status": "running", "ExitCode": 0, "OOMKilled": False},
    "Config": {"Image": "quay.io/ramalama/ramalama:0.25", "Labels": {"ai.ramalama": ""}},
    "HostConfig": {"NetworkMode": "bridge"},
    "NetworkSettings": {
        "Ports": {
            "8080/tcp": [
                {"HostIp": "127.0.0.1", "HostPort": "32768"},
                {"HostIp": "::1", "HostPort": "32769"},
            ],
            "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "53"}],
            "9/tcp": None,
        }
    },
}

LISTED: dict[str, Any] = {
    "Id": "7d09",
    "Names": ["/other/alias", "/ramalama_x"],
    "Image": "quay.io/ramalama/ramalama:0.25",
    "Created": 1795366150,
    "State": "running",
    "Status": "Up 3 seconds",
    "Labels": {"ai.ramalama": ""},
    "Ports": [
        {"IP": "127.0.0.1", "PrivatePort": 8080, "PublicPort": 32768, "Type": "tcp"},
        {"IP": "::1", "PrivatePort": 8080, "PublicPort": 32769, "Type": "tcp"},
        {"IP": "127.0.0.1", "PrivatePort": 53, "PublicPort": 53, "Type": "udp"},
        {"PrivatePort": 9, "Type": "tcp"},
    ],
}

STATE = ContainerState(
    id="7d09",
    name="ramalama_x",
    image="quay.io/ramalama/ramalama:0.25",
    status=ContainerStatus.RUNNING,
    created=datetime(2026, 11, 22, 16, 49, 10, tzinfo=UTC),
    labels={"ai.ramalama": ""},
    ports=(
        PortBinding(container_port=8080, host_port=32768),
        PortBinding(container_port=8080, host_port=32769, host_address="::1"),
    ),
)

INFO: dict[str, Any] = {
    "ServerVersion": "28.5.2",
    "DefaultRuntime": "runc",
    "Runtimes": {"runc": {}, "nvidia": {}},
    "CgroupVersion": "2",
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    "RegistryConfig": {
        "InsecureRegistryCIDRs": ["127.0.0.0/8", "::1/128", "10.1.0.0/16"],
        "IndexConfigs": {
            "docker.io": {"Secure": True},
            "lab.example:5000": {"Secure": False},
        },
    },
}


def test_an_inspected_and_a_listed_container_are_the_same_state() -> None:
    inspected = {**INSPECTED, "Created": "2026-11-22T16:49:10.000000000Z"}

    assert inspected_container(inspected) == replace(STATE, network="bridge")
    assert listed_container(LISTED) == STATE


def test_the_time_of_creation_may_have_nanoseconds() -> None:
    created = inspected_container(INSPECTED).created

    assert created == datetime(2026, 11, 22, 16, 49, 10, 297870, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("created", ContainerStatus.CREATED),
        ("running", ContainerStatus.RUNNING),
        ("restarting", ContainerStatus.RUNNING),
        ("paused", ContainerStatus.PAUSED),
        ("exited", ContainerStatus.EXITED),
        ("removing", ContainerStatus.REMOVING),
        ("dead", ContainerStatus.REMOVING),
        ("something new", ContainerStatus.UNKNOWN),
    ],
)
def test_every_word_of_docker_for_a_state_has_one_of_ours(
    word: str, status: ContainerStatus
) -> None:
    inspected = {**INSPECTED, "State": {"Status": word, "ExitCode": 0}}

    assert inspected_container(inspected).status is status
    assert listed_container({**LISTED, "State": word}).status is status


@pytest.mark.parametrize(
    ("word", "sentence", "code", "exit_code"),
    [
        ("exited", "Exited (137) 2 seconds ago", 137, 137),
        ("exited", "Exited (0) Less than a second ago", 0, 0),
        ("created", "Created", 127, None),  # the start failed
        ("running", "Up 3 seconds", 0, None),
    ],
)
def test_only_what_has_exited_has_an_exit_code(
    word: str, sentence: str, code: int, exit_code: int | None
) -> None:
    inspected = {**INSPECTED, "State": {"Status": word, "ExitCode": code}}

    assert inspected_container(inspected).exit_code == exit_code
    assert listed_container({**LISTED, "State": word, "Status": sentence}).exit_code == exit_code


def test_a_container_without_labels_and_ports_has_none() -> None:
    bare = {
        **INSPECTED,
        "Config": {"Image": "img", "Labels": None},
        "NetworkSettings": {"Ports": None},
    }
    state = inspected_container(bare)

    assert (state.labels, state.ports) == ({}, ())


def test_an_image_tells_its_program_and_its_digests() -> None:
    answer: dict[str, Any] = {
        "Id": "sha256:3aa5",
        "RepoDigests": ["quay.io/x@sha256:1"],
        "Config": {
            "Entrypoint": ["/entry"],
            "Cmd": ["serve", "--all"],
            "User": "1000",
            "Env": ["PATH=/bin", "ODD=a=b"],
            "Labels": {"a": "b"},
            "Volumes": {"/data": {}, "/cache": {}},
        },
    }

    assert local_image(answer) == LocalImage(
        id="sha256:3aa5",
        entrypoint=("/entry",),
        command=("serve", "--all"),
        user="1000",
        env={"PATH": "/bin", "ODD": "a=b"},
        labels={"a": "b"},
        volumes=("/data", "/cache"),
        digests=("quay.io/x@sha256:1",),
    )


@pytest.mark.parametrize(
    "config", [None, {}, {"Entrypoint": None, "Cmd": None, "Env": None, "Volumes": None}]
)
def test_an_image_without_a_configuration_is_plain(config: dict[str, Any] | None) -> None:
    assert local_image({"Id": "sha256:1", "Config": config}) == LocalImage(id="sha256:1")


@pytest.mark.parametrize(
    ("options", "rootless", "user_namespace", "selinux"),
    [
        (None, False, False, False),
        (["name=seccomp,profile=default"], False, False, False),
        (["name=rootless"], True, True, False),
        (["name=userns"], False, True, False),
        (["name=seccomp,profile=default", "name=selinux"], False, False, True),
    ],
)
def test_security_options_tell_how_containers_are_separated(
    options: list[str] | None,
    rootless: bool,  # noqa: FBT001 (a row of the table)
    user_namespace: bool,  # noqa: FBT001
    selinux: bool,  # noqa: FBT001
) -> None:
    answer = {**INFO, "SecurityOptions": options}

    info = engine_info(answer, url="unix:///s", api_version="1.51", rootless=is_rootless(answer))

    assert (info.rootless, info.user_namespace, info.selinux) == (rootless, user_namespace, selinux)
    assert info.oci_runtimes == ("nvidia", "runc")
    assert (info.version, info.api_version, info.cgroup_version) == ("28.5.2", "1.51", 2)


@pytest.mark.parametrize(
    ("said", "limits"),
    [({"MemoryLimit": True}, True), ({"MemoryLimit": False}, False), ({}, False)],
)
def test_a_daemon_says_whether_it_can_limit_memory(said: dict[str, Any], limits: bool) -> None:  # noqa: FBT001
    info = engine_info({**INFO, **said}, url="unix:///s", api_version="1.51", rootless=False)

    assert info.limits_memory == limits


@pytest.mark.parametrize(
    ("said", "cdi", "devices"),
    [
        ({}, False, ()),  # before Docker 25
        ({"CDISpecDirs": None}, False, ()),
        ({"CDISpecDirs": ["/etc/cdi"], "DiscoveredDevices": None}, True, ()),
        (
            {
                "CDISpecDirs": ["/etc/cdi"],
                "DiscoveredDevices": [
                    {"Source": "cdi", "ID": "nvidia.com/gpu=0"},
                    {"Source": "other", "ID": "x"},
                ],
            },
            True,
            ("nvidia.com/gpu=0",),
        ),
    ],
)
def test_a_daemon_with_cdi_directories_resolves_cdi_names(
    said: dict[str, Any],
    cdi: bool,  # noqa: FBT001 (a row of the table)
    devices: tuple[str, ...],
) -> None:
    info = engine_info({**INFO, **said}, url="unix:///s", api_version="1.51", rootless=False)

    assert (info.cdi, info.cdi_devices) == (cdi, devices)


@pytest.mark.parametrize(
    ("image", "skipped"),
    [
        ("localhost:5000/x", True),
        ("127.0.0.1:5000/x", True),
        ("[::1]:5000/x", True),
        ("10.1.2.3/x", True),
        ("10.2.2.3/x", False),
        ("lab.example:5000/x", True),
        ("lab.example/x", False),
        ("quay.io/x", False),
        ("x", False),
    ],
)
def test_certificates_are_skipped_for_registries_that_the_daemon_lists_as_insecure(
    image: str,
    skipped: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    assert skips_tls(INFO, ImageReference.parse(image)) is skipped


def test_a_daemon_that_lists_no_registries_skips_none() -> None:
    assert not skips_tls({}, ImageReference.parse("localhost:5000/x"))
