"""The command line that `--dryrun` prints."""

from __future__ import annotations

import shlex
from dataclasses import fields, replace

import pytest

from ramalama.generate.command_line import engine_line
from ramalama_engines import (
    BindMount,
    CdiDevice,
    ContainerSpec,
    EngineKind,
    HostDevice,
    PortBinding,
    TmpfsMount,
    Ulimit,
    VolumeMount,
)

PODMAN, DOCKER = EngineKind.PODMAN, EngineKind.DOCKER
BARE = ContainerSpec(image="img", cap_drop=(), no_new_privileges=False, read_only=False)

LOCKED_DOWN = ContainerSpec(
    image="quay.io/ramalama/ramalama:0.25",
    entrypoint=("llama-server",),
    command=("--host", "/run/ramalama/api.sock", "--model", "/mnt/models/two words.gguf"),
    name="ramalama-0a1b2c3d4e",
    labels={"ai.ramalama": "", "ai.ramalama.owner": "0123abcd-42-4711"},
    env={"HOME": "/home", "PROMPT": "it's $HOME"},
    mounts=(
        BindMount(source="/models/two words.gguf", target="/mnt/models/model.gguf", relabel=True),
        BindMount(source="/run/x", target="/run/ramalama", read_only=False, relabel=True),
        TmpfsMount(target="/scratch"),
    ),
    oci_runtime="crun",
    user="1000:1000",
)


def test_a_locked_down_container_as_a_line_for_podman() -> None:
    assert engine_line(PODMAN, LOCKED_DOWN) == (
        "podman --runtime=crun run --detach --name=ramalama-0a1b2c3d4e --label=ai.ramalama="
        " --env=HOME=/home '--env=PROMPT=it'\"'\"'s $HOME' --network=none --cap-drop=all"
        " --security-opt=no-new-privileges --read-only --read-only-tmpfs=false --user=1000:1000"
        " '--volume=/models/two words.gguf:/mnt/models/model.gguf:ro,z'"
        " --volume=/run/x:/run/ramalama:z --tmpfs=/scratch:mode=1777,noexec"
        " --entrypoint=llama-server"
        " quay.io/ramalama/ramalama:0.25"
        " --host /run/ramalama/api.sock --model '/mnt/models/two words.gguf'"
    )


def test_the_same_container_as_a_line_for_docker_names_the_runtime_elsewhere() -> None:
    podman, docker = (shlex.split(engine_line(kind, LOCKED_DOWN)) for kind in (PODMAN, DOCKER))

    assert docker[:3] == ["docker", "run", "--detach"]
    assert "--runtime=crun" in docker[3:]
    assert sorted([*docker[1:], "--read-only-tmpfs=false"]) == sorted(podman[1:])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"entrypoint": ("sh", "-c")}, ["--entrypoint=sh", "img", "-c"]),
        ({"command": ("-n", "two words")}, ["img", "-n", "two words"]),
        ({"name": "c"}, ["--name=c"]),
        ({"labels": {"a": 'say "x"'}}, ['--label=a=say "x"']),
        ({"env": {"A": "new\nline"}}, ["--env=A=new\nline"]),
        ({"env": {"A": ""}}, ["--env=A="]),
        ({"ports": (PortBinding(container_port=8080),)}, ["--publish=127.0.0.1::8080"]),
        (
            {"ports": (PortBinding(container_port=80, host_port=9000, host_address="::1"),)},
            ["--publish=[::1]:9000:80"],
        ),
        ({"network": "bridge"}, ["--network=bridge"]),
        ({"privileged": True}, ["--privileged"]),
        ({"selinux_options": ("disable",)}, ["--security-opt=label=disable"]),
        ({"cap_drop": ("all",)}, ["--cap-drop=all"]),
        ({"no_new_privileges": True}, ["--security-opt=no-new-privileges"]),
        ({"read_only": True}, ["--read-only"]),
        ({"user": "0:0"}, ["--user=0:0"]),
        ({"userns": "keep-id"}, ["--userns=keep-id"]),
        ({"groups": ("44", "render")}, ["--group-add=44", "--group-add=render"]),
        ({"keep_groups": True}, ["--group-add=keep-groups"]),
        (
            {"ulimits": (Ulimit(name="nofile", soft=1, hard=-1),)},
            ["--ulimit=nofile=1:-1"],
        ),
        ({"pids_limit": 0}, ["--pids-limit=0"]),
        ({"memory_limit": 1024}, ["--memory=1024"]),
        ({"init": True}, ["--init"]),
        ({"stop_signal": "SIGINT"}, ["--stop-signal=SIGINT"]),
        ({"stop_timeout": 0}, ["--stop-timeout=0"]),
        (
            {"devices": (HostDevice(source="/dev/fuse", target="/dev/x", permissions="r"),)},
            ["--device=/dev/fuse:/dev/x:r"],
        ),
        (
            {"mounts": (TmpfsMount(target="/t", size=64, mode=0o700),)},
            ["--tmpfs=/t:mode=700,size=64,noexec"],
        ),
        (
            {"mounts": (VolumeMount(name="m1", target="/t"),)},
            ["--volume=m1:/t:ro,nocopy"],
        ),
        (
            {"mounts": (VolumeMount(name="m1", target="/t", read_only=False),)},
            ["--volume=m1:/t:rw,nocopy"],
        ),
        (
            {"mounts": (TmpfsMount(target="/t", executable=True),)},
            ["--tmpfs=/t:mode=1777,exec"],
        ),
        (
            {"mounts": (BindMount(source="/a", target="/b"),)},
            ["--mount=type=bind,source=/a,target=/b,readonly"],
        ),
        (
            {"mounts": (BindMount(source="/a", target="/b", read_only=False),)},
            ["--mount=type=bind,source=/a,target=/b"],
        ),
        (
            {"mounts": (BindMount(source="/a,b", target="/b"),)},
            ['--mount=type=bind,"source=/a,b",target=/b,readonly'],
        ),
        (
            {"mounts": (BindMount(source='/say "x"', target="/b"),)},
            ['--mount=type=bind,"source=/say ""x""",target=/b,readonly'],
        ),
        (
            {"mounts": (BindMount(source="/new\nline", target="/b"),)},
            ['--mount=type=bind,"source=/new\nline",target=/b,readonly'],
        ),
    ],
)
@pytest.mark.parametrize("kind", EngineKind)
def test_each_part_of_a_container_has_its_words(
    kind: EngineKind, change: dict[str, object], words: list[str]
) -> None:
    spec = replace(BARE, **change)  # type: ignore[arg-type]  # each row names its fields

    line = shlex.split(engine_line(kind, spec))

    first = line.index(words[0])
    assert line[first : first + len(words)] == words


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (PODMAN, "--device=nvidia.com/gpu=all"),
        (DOCKER, "--gpus=driver=cdi,device=nvidia.com/gpu=all"),
    ],
)
def test_a_cdi_device_is_asked_for_as_each_engine_wants_it(kind: EngineKind, words: str) -> None:
    spec = replace(BARE, devices=(CdiDevice(name="nvidia.com/gpu=all"),))

    assert words in shlex.split(engine_line(kind, spec))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (PODMAN, "--mount=type=bind,source=/a:b,target=/b,readonly,relabel=shared"),
        (DOCKER, "--mount=type=bind,source=/a:b,target=/b,readonly"),
    ],
)
def test_a_name_with_a_colon_is_relabelled_as_far_as_the_engine_can_be_told(
    kind: EngineKind, words: str
) -> None:
    spec = replace(BARE, mounts=(BindMount(source="/a:b", target="/b", relabel=True),))

    assert words in shlex.split(engine_line(kind, spec))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (PODMAN, ["--log-driver=k8s-file", "--log-opt=max-size=1000b"]),
        (
            DOCKER,
            ["--log-driver=json-file", "--log-opt=max-size=500b", "--log-opt=max-file=2"],
        ),
    ],
)
def test_the_size_of_the_log_is_limited_as_each_engine_wants_it(
    kind: EngineKind, words: list[str]
) -> None:
    line = shlex.split(engine_line(kind, replace(BARE, log_size=1000)))

    assert [word for word in line if word.startswith("--log")] == words


EVERYTHING = ContainerSpec(
    image="other",
    image_volumes=False,
    entrypoint=("e",),
    command=("c",),
    name="n",
    labels={"l": "1"},
    env={"e": "1"},
    devices=(HostDevice(source="/dev/x", target="/dev/x"),),
    mounts=(TmpfsMount(target="/t"),),
    ports=(PortBinding(container_port=1),),
    network="bridge",
    oci_runtime="crun",
    privileged=True,
    selinux_options=("disable",),
    cap_drop=("all",),
    no_new_privileges=True,
    read_only=True,
    user="1",
    userns="host",
    groups=("1",),
    keep_groups=True,
    ulimits=(Ulimit(name="core", soft=0, hard=0),),
    pids_limit=1,
    memory_limit=1,
    log_size=2,
    init=True,
    stop_signal="SIGINT",
    stop_timeout=1,
)


# How a drop of an option is judged; a command line has no words for it.
JUDGEMENTS = ("optional_limits",)


@pytest.mark.parametrize(
    "field", [field.name for field in fields(ContainerSpec) if field.name not in JUDGEMENTS]
)
@pytest.mark.parametrize("kind", EngineKind)
def test_no_part_of_a_container_is_left_out(kind: EngineKind, field: str) -> None:
    spec = replace(BARE, **{field: getattr(EVERYTHING, field)})
    has_no_words = (kind, field) == (EngineKind.DOCKER, "image_volumes")

    assert (engine_line(kind, spec) == engine_line(kind, BARE)) is has_no_words
