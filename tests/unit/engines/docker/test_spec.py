"""What Docker is told of a container, and how it is noticed when it does something else."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from ramalama_engines.docker.spec import (
    create_body,
    dropped,
    has_cdi,
    named_network,
    refusals,
    unrelabelable,
    wants_relabel,
)
from ramalama_engines.spec import (
    BindMount,
    CdiDevice,
    ContainerSpec,
    HostDevice,
    PortBinding,
    TmpfsMount,
    Ulimit,
    VolumeMount,
)

PLAIN = ContainerSpec(image="img")
MODEL = BindMount(source="/models/a b", target="/m", relabel=True)

EVERYTHING = ContainerSpec(
    image="quay.io/ramalama/ramalama:0.25",
    entrypoint=("llama-server",),
    command=("--host", "/run/s.sock"),
    name="not part of the body",
    labels={"ai.ramalama": ""},
    env={"A": "b=c", "EMPTY": ""},
    devices=(
        HostDevice(source="/dev/dri/renderD128", target="/dev/dri/card0", permissions="rw"),
        CdiDevice(name="nvidia.com/gpu=0"),
        CdiDevice(name="nvidia.com/gpu=1"),
    ),
    mounts=(
        BindMount(source="/run/user/1", target="/run/s", read_only=False),
        TmpfsMount(target="/tmp", size=1048576),  # noqa: S108 (in the container)
        MODEL,
    ),
    ports=(
        PortBinding(container_port=8080),
        PortBinding(container_port=8080, host_port=9090, host_address="::1"),
    ),
    network="bridge",
    oci_runtime="nvidia",
    selinux_options=("disable", "type:container_runtime_t"),
    cap_drop=("all",),
    user="1000:1000",
    userns="host",
    groups=("44", "video"),
    ulimits=(Ulimit(name="memlock", soft=-1, hard=-1),),
    pids_limit=100,
    memory_limit=536870912,
    log_size=1000,
    init=True,
    stop_signal="SIGINT",
    stop_timeout=0,
)

EVERYTHING_BODY: dict[str, Any] = {
    "Image": "quay.io/ramalama/ramalama:0.25",
    "Entrypoint": ["llama-server"],
    "Cmd": ["--host", "/run/s.sock"],
    "Labels": {"ai.ramalama": ""},
    "Env": ["A=b=c", "EMPTY="],
    "User": "1000:1000",
    "StopSignal": "SIGINT",
    "StopTimeout": 0,
    "ExposedPorts": {"8080/tcp": {}},
    "Healthcheck": {"Test": ["NONE"]},
    "HostConfig": {
        "NetworkMode": "bridge",
        "PortBindings": {
            "8080/tcp": [
                {"HostIp": "127.0.0.1", "HostPort": ""},
                {"HostIp": "::1", "HostPort": "9090"},
            ]
        },
        "Privileged": False,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["label=disable", "label=type:container_runtime_t", "no-new-privileges"],
        "ReadonlyRootfs": True,
        "GroupAdd": ["44", "video"],
        "Devices": [
            {
                "PathOnHost": "/dev/dri/renderD128",
                "PathInContainer": "/dev/dri/card0",
                "CgroupPermissions": "rw",
            }
        ],
        "DeviceRequests": [
            {"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]}
        ],
        "Ulimits": [{"Name": "memlock", "Soft": -1, "Hard": -1}],
        "Init": True,
        "Runtime": "nvidia",
        "UsernsMode": "host",
        "PidsLimit": 100,
        "Memory": 536870912,
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "500", "max-file": "2"}},
        "Mounts": [
            {"Type": "bind", "Source": "/run/user/1", "Target": "/run/s", "ReadOnly": False},
            {
                "Type": "tmpfs",
                "Target": "/tmp",  # noqa: S108 (in the container)
                "TmpfsOptions": {"Mode": 0o1777, "SizeBytes": 1048576},
            },
            {"Type": "bind", "Source": "/models/a b", "Target": "/m", "ReadOnly": True},
        ],
        "Binds": [],
    },
}


def inspected(body: dict[str, Any]) -> dict[str, Any]:
    """Inspect a container that a daemon made of *body*, nothing dropped."""
    made = copy.deepcopy(body)
    host_config = made.pop("HostConfig")
    made["Env"] += ["PATH=/usr/bin"]  # the image's
    made["Labels"] |= {"org.opencontainers.image.title": "x"}
    host_config["Ulimits"] += [{"Name": "nofile", "Soft": 1024, "Hard": 4096}]  # daemon.json's
    return {"Config": made, "HostConfig": host_config}


def without(path: str, value: object = None) -> dict[str, Any]:
    """Inspect what a daemon makes of EVERYTHING when it loses what is at *path*."""
    made = inspected(EVERYTHING_BODY)
    *parents, last = path.split(".")
    there: Any = made
    for name in parents:
        there = there[int(name) if name.isdigit() else name]
    there[last] = value
    return made


def test_a_spec_with_everything_becomes_this_body() -> None:
    assert create_body(EVERYTHING, relabel=False) == EVERYTHING_BODY


def test_a_plain_spec_is_locked_down_and_keeps_the_images_program() -> None:
    assert create_body(PLAIN, relabel=False) == {
        "Image": "img",
        "Env": [],
        "Labels": {},
        "ExposedPorts": {},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "NetworkMode": "none",
            "PortBindings": {},
            "Privileged": False,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": True,
            "GroupAdd": [],
            "Devices": [],
            "DeviceRequests": [],
            "Ulimits": [],
            "Init": False,
            "Mounts": [],
            "Binds": [],
        },
    }


def test_where_there_is_selinux_a_relabelled_mount_takes_the_short_form() -> None:
    host_config = create_body(EVERYTHING, relabel=True)["HostConfig"]

    assert host_config["Binds"] == ["/models/a b:/m:ro,z"]
    assert [mount["Target"] for mount in host_config["Mounts"]] == ["/run/s", "/tmp"]  # noqa: S108


def test_a_writable_mount_stays_writable_when_it_is_relabelled() -> None:
    spec = replace(PLAIN, mounts=(replace(MODEL, read_only=False),))

    assert create_body(spec, relabel=True)["HostConfig"]["Binds"] == ["/models/a b:/m:rw,z"]


def test_an_empty_entrypoint_takes_the_images_away() -> None:
    assert create_body(replace(PLAIN, entrypoint=()), relabel=False)["Entrypoint"] == []


@pytest.mark.parametrize(
    ("given", "sent"),
    [("all", "ALL"), ("ALL", "ALL"), ("net_raw", "CAP_NET_RAW"), ("CAP_CHOWN", "CAP_CHOWN")],
)
def test_capabilities_are_spelled_as_the_daemon_reads_them_back(given: str, sent: str) -> None:
    body = create_body(replace(PLAIN, cap_drop=(given,)), relabel=False)

    assert body["HostConfig"]["CapDrop"] == [sent]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (replace(PLAIN, keep_groups=True), "groups"),
        (replace(PLAIN, userns="keep-id"), "keep-id"),
        (replace(PLAIN, userns="auto"), "auto"),
        (replace(PLAIN, userns=""), "userns"),
        (replace(PLAIN, privileged=True), "cap_drop"),
        (replace(PLAIN, ports=(PortBinding(container_port=1),)), "'none'"),
        (replace(PLAIN, ports=(PortBinding(container_port=1),), network="host"), "'host'"),
        (
            replace(PLAIN, ports=(PortBinding(container_port=1),), network="container:x"),
            "'container:x'",
        ),
        (
            replace(
                PLAIN,
                ports=(PortBinding(container_port=1, host_address="localhost"),),
                network="bridge",
            ),
            "'localhost'",
        ),
        (replace(PLAIN, env={"A=B": "c"}), "'A=B'"),
        (replace(PLAIN, env={"": "c"}), "''"),
    ],
)
def test_what_docker_would_take_and_not_do_is_refused(spec: ContainerSpec, words: str) -> None:
    (reason,) = refusals(spec)

    assert words in reason


def test_what_docker_can_do_is_not_refused() -> None:
    assert list(refusals(EVERYTHING)) == []
    assert list(refusals(replace(PLAIN, privileged=True, cap_drop=()))) == []


def test_a_path_with_a_colon_cannot_be_relabelled() -> None:
    spec = replace(PLAIN, mounts=(MODEL, replace(MODEL, source="/models/a:b")))

    (reason,) = unrelabelable(spec)

    assert "'/models/a:b'" in reason
    assert list(unrelabelable(EVERYTHING)) == []


@pytest.mark.parametrize(
    ("spec", "relabel"),
    [
        (PLAIN, False),
        (replace(PLAIN, mounts=(TmpfsMount(target="/t"),)), False),
        (replace(PLAIN, mounts=(replace(MODEL, relabel=False),)), False),
        (replace(PLAIN, mounts=(MODEL,)), True),
    ],
)
def test_a_relabel_is_wanted_where_a_mount_says_so(spec: ContainerSpec, relabel: bool) -> None:  # noqa: FBT001
    assert wants_relabel(spec) is relabel


def test_an_executable_tmpfs_goes_where_every_daemon_reads_its_options() -> None:
    mounts = (
        TmpfsMount(target="/t", executable=True),
        TmpfsMount(target="/u", size=64, mode=0o700, executable=True),
        TmpfsMount(target="/v"),
    )

    host_config = create_body(replace(PLAIN, mounts=mounts), relabel=False)["HostConfig"]

    assert host_config["Tmpfs"] == {"/t": "exec,mode=1777", "/u": "exec,mode=700,size=64"}
    assert [mount["Target"] for mount in host_config["Mounts"]] == ["/v"]


def test_a_volume_is_mounted_without_the_files_of_the_image() -> None:
    spec = replace(PLAIN, mounts=(VolumeMount(name="models", target="/m"),))

    (mount,) = create_body(spec, relabel=False)["HostConfig"]["Mounts"]

    assert mount == {
        "Type": "volume",
        "Source": "models",
        "Target": "/m",
        "ReadOnly": True,
        "VolumeOptions": {"NoCopy": True},
    }


def test_cdi_devices_are_told_from_nodes() -> None:
    assert has_cdi(EVERYTHING)
    assert not has_cdi(replace(EVERYTHING, devices=EVERYTHING.devices[:1]))


@pytest.mark.parametrize(
    ("network", "named"),
    [
        ("none", None),
        ("host", None),
        ("bridge", None),
        ("default", None),
        ("container:x", None),
        ("mine", "mine"),
        ("pasta", "pasta"),
        ("", ""),
    ],
)
def test_a_network_that_is_no_mode_of_docker_is_looked_up(network: str, named: str | None) -> None:
    assert named_network(replace(PLAIN, network=network)) == named


def test_what_a_daemon_adds_is_not_missed() -> None:
    assert dropped(EVERYTHING_BODY, inspected(EVERYTHING_BODY)) == ()


def test_nothing_false_and_zero_are_the_same() -> None:
    body = create_body(PLAIN, relabel=False)
    host_config = {"CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "NetworkMode": "none"}
    made = {"Config": {}, "HostConfig": host_config | {"ReadonlyRootfs": True, "Binds": None}}

    assert dropped(body, made) == ()


@pytest.mark.parametrize(
    ("path", "value", "option"),
    [
        ("Config.Env", ["A=b"], "env"),
        ("Config.Labels", {}, "labels"),
        ("Config.Cmd", ["--host", "/run/s.sock", "more"], "command"),
        ("Config.Cmd", ["/run/s.sock", "--host"], "command"),
        ("Config.Entrypoint", None, "entrypoint"),
        ("Config.User", "", "user"),
        ("Config.StopSignal", "SIGTERM", "stop_signal"),
        ("Config.StopTimeout", 10, "stop_timeout"),
        ("HostConfig.NetworkMode", "default", "network"),
        ("HostConfig.PortBindings", {}, "ports"),
        ("HostConfig.Mounts", [], "mounts"),
        ("HostConfig.Mounts.2.ReadOnly", False, "mounts"),
        ("HostConfig.Devices.0.CgroupPermissions", "rwm", "devices"),
        ("HostConfig.DeviceRequests", None, "devices"),
        ("HostConfig.Runtime", "runc", "oci_runtime"),
        ("HostConfig.Privileged", True, "privileged"),
        ("HostConfig.SecurityOpt", ["label=disable"], "selinux_options or no_new_privileges"),
        ("HostConfig.CapDrop", None, "cap_drop"),
        ("HostConfig.ReadonlyRootfs", False, "read_only"),
        ("HostConfig.UsernsMode", "", "userns"),
        ("HostConfig.GroupAdd", ["44"], "groups"),
        ("HostConfig.Ulimits", [], "ulimits"),
        ("HostConfig.PidsLimit", 0, "pids_limit"),
        ("HostConfig.Memory", 0, "memory_limit"),
        ("HostConfig.Init", False, "init"),
        ("HostConfig.LogConfig.Config", {}, "log_size"),
    ],
)
def test_an_option_that_the_daemon_loses_is_named(path: str, value: object, option: str) -> None:
    assert dropped(EVERYTHING_BODY, without(path, value)) == (option,)


@pytest.mark.parametrize("limit", ["PidsLimit", "Memory"])
def test_an_optional_limit_may_be_lost(limit: str) -> None:
    made = without(f"HostConfig.{limit}", 0)

    assert dropped(EVERYTHING_BODY, made, optional=("pids_limit", "memory_limit")) == ()


def test_a_lost_short_form_is_noticed_too() -> None:
    body = create_body(replace(PLAIN, mounts=(MODEL,)), relabel=True)

    assert dropped(body, {"Config": {}, "HostConfig": body["HostConfig"] | {"Binds": []}}) == (
        "mounts",
    )


def test_neither_values_of_variables_nor_of_labels_are_told() -> None:
    body = create_body(replace(PLAIN, env={"TOKEN": "s3cret"}), relabel=False)

    assert "s3cret" not in str(dropped(body, {"Config": {}, "HostConfig": body["HostConfig"]}))
