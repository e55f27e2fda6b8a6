"""What podman is asked for, in libpod's own JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ramalama_engines.errors import UnsupportedOption
from ramalama_engines.podman.spec import libpod_spec, signal_number
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

ANYWHERE = "0.0.0.0"  # noqa: S104 (published nowhere)
PLAIN = ContainerSpec(image="quay.io/x/y:1")
LOCKED_DOWN = {
    "image": "quay.io/x/y:1",
    "labels": {},
    "env": {},
    "devices": [],
    "mounts": [],
    "portmappings": [],
    "netns": {"nsmode": "none"},
    "annotations": {},
    "selinux_opts": [],
    "privileged": False,
    "cap_drop": ["all"],
    "no_new_privileges": True,
    "read_only_filesystem": True,
    "read_write_tmpfs": False,
    "groups": [],
    "r_limits": [],
    "resource_limits": {},
    "init": False,
    "healthconfig": {"Test": ["NONE"]},
}


def test_a_plain_container_is_locked_down_and_the_rest_is_left_to_the_image_and_the_engine() -> (
    None
):
    assert libpod_spec(PLAIN) == LOCKED_DOWN


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"entrypoint": ("llama-server",)}, {"entrypoint": ["llama-server"]}),
        ({"entrypoint": ()}, {"entrypoint": []}),
        ({"command": ("-m", "a b")}, {"command": ["-m", "a b"]}),
        ({"name": "x"}, {"name": "x"}),
        ({"labels": {"a": "", "b": "c=d"}}, {"labels": {"a": "", "b": "c=d"}}),
        ({"env": {"A": "b\nc"}}, {"env": {"A": "b\nc"}}),
        (
            {"devices": (CdiDevice(name="nvidia.com/gpu=all"),)},
            {"devices": [{"path": "nvidia.com/gpu=all"}]},
        ),
        (
            {"devices": (HostDevice(source="/dev/a", target="/dev/b", permissions="r"),)},
            {"devices": [{"path": "/dev/a:/dev/b:r"}]},
        ),
        (
            {"ports": (PortBinding(container_port=80, host_port=8080, host_address=ANYWHERE),)},
            {
                "portmappings": [
                    {
                        "container_port": 80,
                        "host_port": 8080,
                        "host_ip": "",
                        "protocol": "tcp",
                    }
                ]
            },
        ),
        ({"privileged": True, "cap_drop": ()}, {"privileged": True, "cap_drop": []}),
        ({"no_new_privileges": False}, {"no_new_privileges": False}),
        ({"read_only": False}, {"read_only_filesystem": False}),
        (
            {"selinux_options": ("disable",)},
            {
                "selinux_opts": ["disable"],
                "annotations": {"io.podman.annotations.label": "disable"},
            },
        ),
        (
            {"selinux_options": ("type:a_t", "level:s0")},
            {
                "selinux_opts": ["type:a_t", "level:s0"],
                "annotations": {"io.podman.annotations.label": "type:a_t,label=level:s0"},
            },
        ),
        ({"keep_groups": True}, {"annotations": {"run.oci.keep_original_groups": "1"}}),
        ({"groups": ("44", "video")}, {"groups": ["44", "video"]}),
        ({"oci_runtime": "crun"}, {"oci_runtime": "crun"}),
        ({"user": "1000:1000"}, {"user": "1000:1000"}),
        ({"userns": "keep-id"}, {"userns": {"nsmode": "keep-id"}}),
        (
            {"userns": "keep-id:uid=1,gid=2"},
            {"userns": {"nsmode": "keep-id", "value": "uid=1,gid=2"}},
        ),
        (
            {
                "ulimits": (
                    Ulimit(name="nofile", soft=1, hard=2),
                    Ulimit(name="memlock", soft=-1, hard=-1),
                )
            },
            {
                "r_limits": [
                    {"type": "nofile", "soft": 1, "hard": 2},
                    {"type": "memlock", "soft": 18446744073709551615, "hard": 18446744073709551615},
                ]
            },
        ),
        ({"pids_limit": 100}, {"resource_limits": {"pids": {"limit": 100}}}),
        ({"memory_limit": 0}, {"resource_limits": {"memory": {"limit": 0}}}),
        ({"memory_limit": 9}, {"resource_limits": {"memory": {"limit": 9, "swap": 18}}}),
        ({"log_size": 4096}, {"log_configuration": {"driver": "k8s-file", "size": 4096}}),
        ({"init": True}, {"init": True}),
        ({"image_volumes": False}, {"image_volume_mode": "ignore"}),
        ({"stop_signal": "SIGINT"}, {"stop_signal": 2}),
        ({"stop_timeout": 0}, {"stop_timeout": 0}),
    ],
    ids=lambda row: next(iter(row)),
)
def test_an_option_becomes_the_field_of_its_meaning(
    asked: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert libpod_spec(replace(PLAIN, **asked)) == LOCKED_DOWN | sent


@pytest.mark.parametrize(
    ("network", "sent"),
    [
        ("none", {"netns": {"nsmode": "none"}}),
        ("host", {"netns": {"nsmode": "host"}}),
        ("bridge", {"netns": {"nsmode": "bridge"}}),
        ("pasta:--ipv4-only", {"netns": {"nsmode": "pasta", "value": "--ipv4-only"}}),
        ("slirp4netns", {"netns": {"nsmode": "slirp4netns"}}),
        ("container:db", {"netns": {"nsmode": "container", "value": "db"}}),
        ("ns:/run/netns/x", {"netns": {"nsmode": "path", "value": "/run/netns/x"}}),
        ("mynet", {"netns": {"nsmode": "bridge"}, "networks": {"mynet": {}}}),
    ],
)
def test_a_network_is_a_mode_or_else_a_name(network: str, sent: dict[str, Any]) -> None:
    assert libpod_spec(replace(PLAIN, network=network)) == LOCKED_DOWN | sent


@pytest.mark.parametrize(
    ("mount", "sent"),
    [
        (BindMount(source="/a b:c", target="/m"), ("bind", "/a b:c", "/m", ["ro"])),
        (BindMount(source="/a", target="/m", relabel=True), ("bind", "/a", "/m", ["ro", "z"])),
        (BindMount(source="/a", target="/m", read_only=False), ("bind", "/a", "/m", ["rw"])),
        (TmpfsMount(target="/t"), ("tmpfs", "tmpfs", "/t", ["mode=1777", "noexec"])),
        (
            TmpfsMount(target="/t", size=4096, mode=0o700, executable=True),
            ("tmpfs", "tmpfs", "/t", ["size=4096", "mode=700", "exec"]),
        ),
    ],
)
def test_a_mount_is_sent_with_its_options(
    mount: BindMount | TmpfsMount, sent: tuple[str, str, str, list[str]]
) -> None:
    kind, source, target, options = sent

    assert libpod_spec(replace(PLAIN, mounts=(mount,)))["mounts"] == [
        {"type": kind, "source": source, "destination": target, "options": options}
    ]


@pytest.mark.parametrize(("read_only", "mode"), [(True, "ro"), (False, "rw")])
def test_a_volume_is_sent_apart_from_the_mounts(read_only: bool, mode: str) -> None:  # noqa: FBT001
    mount = VolumeMount(name="models", target="/m", read_only=read_only)

    body = libpod_spec(replace(PLAIN, mounts=(mount,)))

    assert body["mounts"] == []
    assert body["volumes"] == [{"Name": "models", "Dest": "/m", "Options": [mode, "nocopy"]}]


@pytest.mark.parametrize(
    ("name", "number"),
    [("SIGHUP", 1), ("SIGTERM", 15), ("term", 15), ("SIGUSR1", 10), ("SIGSYS", 31)],
)
def test_a_signal_has_its_number_on_linux(name: str, number: int) -> None:
    assert signal_number(name) == number


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"stop_signal": "SIGNOTHING"}, "no signal named 'SIGNOTHING'"),
        ({"ulimits": (Ulimit(name="nofiles", soft=1, hard=1),)}, "limit named 'nofiles'"),
    ],
)
def test_what_linux_does_not_know_is_refused_before_podman_is_asked(
    asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsupportedOption, match=message):
        libpod_spec(replace(PLAIN, **asked))
