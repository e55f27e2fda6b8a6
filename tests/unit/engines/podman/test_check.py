"""What podman dropped is found by comparing inspect with the spec.

The golden answers were recorded from podman 4.3.1, 5.4.2 and 5.8.6.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ramalama_engines.podman.check import dropped_options
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

GOLDEN = Path(__file__).with_name("golden")
VERSIONS = ("4.3.1", "5.4.2", "5.8.6")

DEVICE = HostDevice(source="/dev/zero", target="/dev/accel0", permissions="rw")
EVERYTHING = ContainerSpec(
    image="quay.io/ramalama/ramalama:0.25",
    entrypoint=("sleep",),
    command=("100",),
    name="golden",
    labels={"ai.ramalama": "true", "empty": ""},
    env={"HF_HOME": "/tmp/hf home", "EMPTY": ""},  # noqa: S108 (in the container)
    devices=(DEVICE,),
    mounts=(
        BindMount(source="/srv/models/model.gguf", target="/mnt/model.gguf", relabel=True),
        BindMount(source="/srv/run", target="/run/server/", read_only=False),
        TmpfsMount(target="/tmp", size=16 << 20, executable=True),  # noqa: S108 (in the container)
    ),
    ports=(PortBinding(container_port=8080),),
    network="bridge",
    selinux_options=("type:container_runtime_t", "level:s0"),
    user="1000:1000",
    groups=("44",),
    ulimits=(
        Ulimit(name="nofile", soft=1024, hard=2048),
        Ulimit(name="nproc", soft=512, hard=512),
        Ulimit(name="memlock", soft=-1, hard=-1),
    ),
    pids_limit=100,
    memory_limit=512 << 20,
    init=True,
    stop_signal="SIGINT",
    stop_timeout=3,
)
OPTIONAL = ("pids_limit", "memory_limit")
ROOTLESS = ContainerSpec(
    image="quay.io/ramalama/ramalama:0.25",
    entrypoint=("sleep",),
    command=("100",),
    name="golden",
    devices=(DEVICE,),
    network="pasta",
    oci_runtime="crun",
    userns="keep-id",
    keep_groups=True,
    selinux_options=("disable",),
)


def inspect(version: str) -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads((GOLDEN / f"podman-{version}-inspect.json").read_text())
    return recorded


def dropped(spec: ContainerSpec, made: dict[str, Any], *, rootless: bool = False) -> str:
    return "; ".join(dropped_options(spec, made, rootless=rootless))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_container_that_has_everything_misses_nothing(version: str) -> None:
    assert dropped(EVERYTHING, inspect(version)) == ""


def test_a_rootless_container_that_has_everything_misses_nothing() -> None:
    assert dropped(ROOTLESS, inspect("5.8.6-rootless"), rootless=True) == ""


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, ""),
        ({"Name": "other"}, "read-only volume at /v/"),
        ({"RW": True}, "read-only volume at /v/"),
        ({"Type": "bind"}, "read-only volume at /v/"),
        ({"Destination": "/w"}, "read-only volume at /v/"),
    ],
)
def test_a_volume_that_is_not_mounted_as_it_should_be_is_named(
    changed: dict[str, Any], message: str
) -> None:
    spec = replace(EVERYTHING, mounts=(VolumeMount(name="models", target="/v/"),))
    made = inspect("5.8.6")
    made["Mounts"] = [
        {"Type": "volume", "Name": "models", "Destination": "/v", "RW": False} | changed
    ]

    assert dropped(spec, made) == message


@pytest.mark.parametrize(
    "name",
    ["run.oci.keep_original_groups", "org.systemd.property.MemoryMax", "cdi.k8s.io/x"],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_annotation_of_the_image_that_directs_the_oci_runtime_is_named(
    version: str, name: str
) -> None:
    made = inspect(version)
    made["Config"]["Annotations"] |= {name: "1", "org.opencontainers.image.version": "1"}

    assert dropped(EVERYTHING, made).endswith(f"(the image has {name})")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("Name", "other", "name 'golden'"),
        ("Config.User", "", "user '1000:1000'"),
        ("Args", ["--", "sleep"], "entrypoint and command"),
        ("Config.Env", ["EMPTY="], "variable 'HF_HOME'"),
        ("Config.Env", None, "variable 'HF_HOME'; variable 'EMPTY'"),
        ("Config.Labels", {"ai.ramalama": "false", "empty": ""}, "label 'ai.ramalama'"),
        ("Config.Labels", None, "label 'ai.ramalama'; label 'empty'"),
        ("Mounts", None, "read-only mount at /mnt/model.gguf; mount at /run/server/"),
        ("Mounts.0.RW", True, "read-only mount at /mnt/model.gguf"),
        ("Mounts.1.RW", False, "mount at /run/server/"),
        ("HostConfig.Tmpfs", None, "tmpfs at /tmp"),
        ("HostConfig.Tmpfs", {"/tmp": "mode=1777,rw"}, "tmpfs at /tmp"),  # noqa: S108
        ("HostConfig.PortBindings", {}, "published port 8080 (network 'bridge' may have none)"),
        (
            "HostConfig.PortBindings",
            {"8080/tcp": [{"HostIp": "", "HostPort": "1"}]},
            "published port 8080 (network 'bridge' may have none)",
        ),
        ("HostConfig.NetworkMode", "slirp4netns", "network 'bridge'"),
        ("HostConfig.Privileged", True, "not privileged"),
        ("BoundingCaps", ["CAP_KILL"], "dropped capabilities (it keeps CAP_KILL)"),
        ("EffectiveCaps", ["CAP_B", "CAP_A"], "dropped capabilities (it keeps CAP_A, CAP_B)"),
        ("HostConfig.SecurityOpt", None, "no new privileges"),
        ("HostConfig.ReadonlyRootfs", False, "read-only root"),
        (
            "ProcessLabel",
            "system_u:system_r:container_t:s0:c1,c2",
            (
                "SELinux option 'type:container_runtime_t'"
                " (it runs as system_u:system_r:container_t:s0:c1,c2)"
            ),
        ),
        ("HostConfig.Devices", None, "device /dev/accel0"),
        ("HostConfig.GroupAdd", ["video"], "group '44'"),
        ("HostConfig.PidsLimit", 0, "pids limit 100"),
        ("HostConfig.Memory", 0, "memory limit 536870912"),
        ("HostConfig.Ulimits.0.Soft", 1, "ulimit nofile=1024:2048"),
        ("HostConfig.Ulimits.2.Hard", 65536, "ulimit memlock=-1:-1"),
        ("HostConfig.Init", None, "init"),
        ("Config.StopSignal", 15, "stop signal SIGINT"),
        ("Config.StopTimeout", 10, "stop timeout 3"),
    ],
)
def test_an_option_that_podman_dropped_is_named(
    version: str, path: str, value: object, message: str
) -> None:
    made = inspect(version)
    put(made, path, value)

    assert dropped(EVERYTHING, made) == message


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("HostConfig.NetworkMode", "slirp4netns", "network 'pasta'"),
        ("HostConfig.UsernsMode", "", "user namespace 'keep-id'"),
        ("ProcessLabel", "u:r:t:s0", "SELinux option 'disable' (it runs as u:r:t:s0)"),
        ("Config.Annotations", None, "SELinux options; kept groups"),
    ],
)
def test_an_option_that_a_rootless_podman_dropped_is_named(
    path: str, value: object, message: str
) -> None:
    made = inspect("5.8.6-rootless")
    put(made, path, value)

    assert dropped(ROOTLESS, made, rootless=True) == message


def test_another_oci_runtime_is_named_with_its_remedies_and_loses_the_groups() -> None:
    made = inspect("5.8.6-rootless")
    put(made, "OCIRuntime", "/usr/bin/runc")

    groups, runtime = dropped_options(ROOTLESS, made, rootless=True)

    assert groups == (
        "kept groups (only the OCI runtime crun keeps them, and this engine uses runc)"
    )
    assert runtime.startswith("OCI runtime 'crun' (before podman 6 the API ignores it")
    assert "'/usr/bin/runc'" in runtime
    assert "containers.conf" in runtime


@pytest.mark.parametrize(
    ("asked", "used", "kept"),
    [
        ("runc", "runc", True),
        ("runc", "/usr/sbin/runc", True),
        ("/usr/sbin/runc", "/usr/sbin/runc", True),
        ("/opt/runc", "/usr/sbin/runc", False),
        ("/opt/runc", "runc", False),
        ("crun", "runc", False),
        ("crun", None, False),
    ],
)
def test_only_the_oci_runtime_that_podman_uses_anyway_may_be_asked_for(
    asked: str,
    used: str | None,
    kept: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    made = inspect("4.3.1")
    put(made, "OCIRuntime", used)

    assert (dropped(replace(EVERYTHING, oci_runtime=asked), made) == "") == kept


@pytest.mark.parametrize(
    "asked",
    [
        {"command": ("1000",)},
        {"labels": {"new": ""}},
        {"env": {"SECRET": "hunter2"}},
        {"network": "mynet"},
        {"privileged": True},
        {"devices": (HostDevice.parse("/dev/null"),)},
        {"ports": (PortBinding(container_port=8080, host_port=1),)},
        {"mounts": (BindMount(source="/a", target="/nowhere"),)},
        {"mounts": (TmpfsMount(target="/nowhere"),)},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_what_the_container_has_not_is_dropped_and_no_secret_is_told(
    asked: dict[str, Any],
) -> None:
    message = dropped(replace(EVERYTHING, **asked), inspect("4.3.1"))

    assert message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "asked",
    [
        {"entrypoint": None, "command": ("100",)},
        {"entrypoint": None, "command": ()},
        {"network": "private"},
        {"network": "podman"},
        {"cap_drop": ()},
        {"cap_drop": ("NET_RAW", "cap_kill")},
        {"no_new_privileges": False, "read_only": False, "init": False},
        {"devices": (CdiDevice(name="nvidia.com/gpu=all"),)},
        {"devices": (HostDevice.parse("/dev/x:/dev/accel0/"),)},
        {"userns": "host"},
        {"pids_limit": None, "memory_limit": None},
        {"pids_limit": 7, "memory_limit": 7, "optional_limits": OPTIONAL},
    ],
    ids=str,
)
def test_what_was_not_asked_for_or_cannot_be_seen_is_no_matter(asked: dict[str, Any]) -> None:
    assert dropped(replace(EVERYTHING, **asked), inspect("4.3.1")) == ""


@pytest.mark.parametrize(
    ("driver", "message"),
    [("k8s-file", ""), ("journald", "log size 4096 (it keeps the log with journald)")],
)
def test_only_a_log_in_a_file_has_the_size_that_was_asked_for(driver: str, message: str) -> None:
    made = inspect("5.8.6")
    put(made, "HostConfig.LogConfig", {"Type": driver})

    assert dropped(replace(EVERYTHING, log_size=4096), made) == message


def test_no_limit_may_be_written_in_two_ways() -> None:
    made = inspect("4.3.1")
    put(made, "HostConfig.PidsLimit", 0)

    assert dropped(replace(EVERYTHING, pids_limit=-1), made) == ""


def test_a_directory_of_devices_is_shown_as_the_devices_in_it() -> None:
    spec = replace(EVERYTHING, devices=(HostDevice.parse("/dev/snd:/dev"),))

    assert dropped(spec, inspect("4.3.1")) == ""


def test_podman_shows_no_devices_of_a_privileged_container() -> None:
    made = inspect("4.3.1")
    put(made, "HostConfig.Devices", [])
    put(made, "HostConfig.Privileged", value=True)

    assert dropped(replace(EVERYTHING, privileged=True), made) == ""


def put(made: Any, path: str, value: object) -> None:  # noqa: ANN401 (JSON)
    *parents, last = path.split(".")
    for key in parents:
        made = made[int(key) if key.isdigit() else key]
    made[last] = value


@pytest.mark.parametrize(
    ("asked", "made", "message"),
    [
        (f"container:{'a' * 64}", f"container:{'a' * 64}", ""),
        (f"container:{'a' * 64}", f"container:{'b' * 64}", f"network 'container:{'a' * 64}'"),
        (f"container:{'a' * 64}", "none", f"network 'container:{'a' * 64}'"),
        ("container:other", f"container:{'b' * 64}", ""),
        ("container:other", "bridge", "network 'container:other'"),
    ],
)
def test_a_network_of_another_container_is_compared_by_its_id(
    asked: str, made: str, message: str
) -> None:
    shown = inspect("5.8.6")
    put(shown, "HostConfig.NetworkMode", made)

    assert dropped(replace(EVERYTHING, network=asked, ports=()), shown) == message
