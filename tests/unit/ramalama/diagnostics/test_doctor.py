"""What a container's programs say of it, what is wrong with that, and where the doctor looks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.api.client import Ramalama
from ramalama.diagnostics.compare import compare
from ramalama.diagnostics.doctor import Diagnosis, examine
from ramalama.diagnostics.inspect_container import ContainerDevice, ContainerView, read_view
from ramalama.errors import EngineFailure, OptionRefused
from ramalama.events import ignore
from ramalama_accel import Accelerator, AcceleratorKind, Host, detect
from ramalama_engines import (
    CdiDevice,
    ContainerSpec,
    ContainerStartError,
    EngineUnavailable,
    HostDevice,
    LocalImage,
    PullPolicy,
    UnsupportedOption,
)
from ramalama_engines.fake.engine import FakeEngine, FakeProgram
from tests.unit.accel.made_up_hosts import make as make_host
from tests.unit.ramalama.made_up import CPU, IMAGE
from tests.unit.ramalama.serving.servers import IMAGE_NAME, ServerFixture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RENDER = "/dev/dri/renderD128"

# Of busybox in our image; GNU's differ in the spaces.
LS = """\
/dev:
total 0
drwxr-xr-x    2 0        0               60 Nov 22 18:07 dri
lrwxrwxrwx    1 0        0               13 Nov 22 18:07 fd -> /proc/self/fd
crw-rw-rw-    1 0        0           1,   3 Nov 22 18:07 null
crw-rw----    1 65534    65534     235,   0 Nov 22 18:07 kfd
crw--w----    1 0        5           5,   1 Nov 22 18:07 console

/dev/dri:
total 0
crw-rw----+ 1 0 110 226, 128 Nov 22 18:07 renderD128

/dev/pts:
total 0
crw-rw-rw-    1 0        0           5,   2 Nov 22 18:07 ptmx
ls: /dev/shm: Permission denied
"""
CAT = """\
Name:\tcat
Uid:\t0\t1000\t1000\t1000
Gid:\t0\t1001\t1001\t1001
Groups:\t44 110 \n\
CapEff:\t00000000a80425fb
NoNewPrivs:\t1
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
  eth0:     866      10    0    0    0     0          0         0      866      10    0    0    0     0       0          0
system_u:system_r:container_t:s0:c119,c871
"""  # noqa: E501 (as it is)
ENV = """\
PATH=/usr/bin
HOSTNAME=0a1b
NVIDIA_VISIBLE_DEVICES=void
HF_TOKEN=a-secret
https_proxy=http://me:pass@proxy
"""
SEEN = ContainerView(
    nodes=(
        ContainerDevice(path="/dev/kfd", mode=0o660, uid=65534, gid=65534),
        ContainerDevice(path=RENDER, mode=0o660, uid=0, gid=110),
    ),
    uid=1000,
    gid=1001,
    groups=(44, 110),
    capabilities=0xA80425FB,
    no_new_privileges=True,
    selinux_label="system_u:system_r:container_t:s0:c119,c871",
    interfaces=("lo", "eth0"),
    env={"NVIDIA_VISIBLE_DEVICES": "void"},
)


def said(**programs: str) -> dict[str, list[str]]:
    return {name: text.splitlines() for name, text in programs.items()}


def test_the_programs_words_are_understood() -> None:
    assert read_view(said(ls=LS, cat=CAT, env=ENV)) == SEEN


@pytest.mark.parametrize(
    ("programs", "view"),
    [
        ({"ls": LS}, ContainerView(nodes=SEEN.nodes, missing_programs=("cat", "env"))),
        ({"env": ENV}, ContainerView(env=SEEN.env, missing_programs=("cat", "ls"))),
        (
            {"cat": "cat: read error: Invalid argument", "ls": "", "env": ""},
            ContainerView(nodes=(), env={}),
        ),
        (
            {"cat": "\x1b[2J\0\nUid:\n", "ls": "crw-rw----", "env": "="},
            ContainerView(nodes=(), env={}),
        ),
    ],
    ids=["only-ls", "only-env", "silent", "nonsense"],
)
def test_what_is_not_said_stays_open(programs: dict[str, str], view: ContainerView) -> None:
    assert read_view(said(**programs)) == view


NODE = ContainerDevice(path=RENDER, mode=0o660, uid=0, gid=110)
HARMLESS = ContainerView(nodes=(NODE,), uid=1000, gid=1000, groups=(110,), capabilities=0, env={})


@pytest.mark.parametrize(
    ("view", "may"),
    [
        (HARMLESS, True),
        (replace(HARMLESS, groups=()), False),
        (replace(HARMLESS, groups=(), gid=110), True),
        (replace(HARMLESS, groups=(), uid=0), True),
        (replace(HARMLESS, groups=(), capabilities=2), True),
    ],
    ids=["by-group", "not", "by-own-group", "as-owner", "by-capability"],
)
def test_a_mode_opens_a_node_as_open_2_tells(view: ContainerView, may: bool) -> None:  # noqa: FBT001 (a row of the table)
    assert view.may_use(NODE) is may


ASKED = ContainerSpec(
    image=IMAGE_NAME, devices=(HostDevice(source=RENDER, target=RENDER),), groups=("110",)
)


def messages(
    spec: ContainerSpec = ASKED,
    view: ContainerView = HARMLESS,
    *,
    accelerator: Accelerator = CPU,
    granted: tuple[str, ...] = (),
) -> list[str]:
    found = compare(spec, accelerator, view, rootless=True, granted=granted)
    assert all(problem.remedy for problem in found)
    return [problem.message for problem in found]


def test_a_container_that_has_what_it_shall_have_is_no_problem() -> None:
    assert messages() == []


@pytest.mark.parametrize(
    ("asked", "seen", "message"),
    [
        ({}, {"nodes": ()}, f"the device {RENDER} is not in the container"),
        (
            {"devices": (CdiDevice(name="v.com/gpu=all"),)},
            {"nodes": ()},
            "CDI added no device node for v.com/gpu=all",
        ),
        (
            {"devices": (), "oci_runtime": "nvidia", "env": {"NVIDIA_VISIBLE_DEVICES": "all"}},
            {"nodes": ()},
            "the OCI runtime nvidia added no device node",
        ),
        (
            {"groups": ()},
            {"groups": ()},
            f"the server may not open {RENDER} (mode 0660, owner 0, group 110)",
        ),
        (
            {"groups": ("44", "110")},
            {},
            "the server is not in the group(s) 44",
        ),
        (
            {"keep_groups": True, "groups": ()},
            {"groups": (), "gid": 110},
            "--keep-groups kept none of your groups",
        ),
        (
            {},
            {"interfaces": ("lo", "eth0")},
            "the container has a network (eth0) although none was requested",
        ),
        (
            {},
            {"capabilities": 0x400},
            "the server has capabilities (0x400) although all were dropped",
        ),
    ],
    ids=["absent", "cdi", "oci-runtime", "closed", "group", "keep-groups", "network", "caps"],
)
def test_each_mismatch_is_a_problem_with_a_remedy(
    asked: dict[str, object], seen: dict[str, object], message: str
) -> None:
    spec = replace(ASKED, **asked)  # type: ignore[arg-type]  # each row names its fields
    view = replace(HARMLESS, **seen)  # type: ignore[arg-type]

    assert messages(spec, view) == [message]


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ({"devices": (HostDevice(source="/dev/dri", target="/dev/dri"),)}, {}),
        ({"network": "bridge"}, {"interfaces": ("lo", "eth0")}),
        ({"cap_drop": ()}, {"capabilities": 0x400}),
        ({"groups": ("video", "110")}, {}),
        ({"groups": ("1000",)}, {}),
        ({"privileged": True, "devices": ()}, {"groups": (110,), "nodes": (replace(NODE, gid=7),)}),
        ({}, {"nodes": None}),
        ({"groups": ("44",)}, {"capabilities": None}),
    ],
    ids=["directory", "network", "caps", "named", "own-group", "privileged", "no-ls", "no-cat"],
)
def test_what_was_asked_for_or_is_unknown_is_none(
    asked: dict[str, object], seen: dict[str, object]
) -> None:
    spec = replace(ASKED, **asked)  # type: ignore[arg-type]  # each row names its fields
    view = replace(HARMLESS, **seen)  # type: ignore[arg-type]

    assert messages(spec, view) == []


def test_a_node_that_a_list_opens_is_open_whatever_its_mode() -> None:
    spec, view = replace(ASKED, groups=()), replace(HARMLESS, groups=())

    assert messages(spec, view, granted=(RENDER,)) == []


@pytest.mark.parametrize("env", [{}, {"NVIDIA_VISIBLE_DEVICES": "void"}])
def test_a_variable_of_the_accelerators_that_something_else_sets_is_a_problem(
    env: dict[str, str],
) -> None:
    cuda = Accelerator(kind=AcceleratorKind.CUDA, env={"NVIDIA_VISIBLE_DEVICES": "all"})

    (message,) = messages(view=replace(HARMLESS, env=env), accelerator=cuda)

    assert message.startswith("NVIDIA_VISIBLE_DEVICES is ")
    assert message.endswith(" in the container, not 'all'")


class Surgery:
    """A host of hosts/, an engine whose containers say what a test wants, and a doctor."""

    def __init__(
        self,
        root: Path,
        *,
        host: Host,
        script: Callable[[ContainerSpec], FakeProgram],
        images: tuple[str, ...] = (IMAGE_NAME,),
        rootless: bool = False,
    ) -> None:
        self.servers = ServerFixture(root=root, env=host.env)
        self.host = host
        self.specs: list[ContainerSpec] = []

        def remember(spec: ContainerSpec) -> FakeProgram:
            self.specs.append(spec)
            return script(spec)

        volatile = replace(IMAGE, id="sha256:2", volumes=("/data",))
        registry: dict[str, LocalImage] = {
            "quay.io/ramalama/rocm:0.25": IMAGE,
            "quay.io/me/volatile:1": volatile,
        }
        self.engine = FakeEngine(
            images=dict.fromkeys(images, IMAGE),
            registry=registry,
            script=remember,
            info=replace(FakeEngine().info, rootless=rootless),
        )

    def examine(self, **options: object) -> Diagnosis:
        ramalama = Ramalama(
            engine=self.engine,
            host=self.host,
            user=self.servers.ramalama().user,
            run_dir=self.servers.run_dir,
        )
        asked = replace(
            self.servers.options,
            **{"pull_policy": PullPolicy.NEVER, **options},  # type: ignore[arg-type]  # as given
        )
        try:
            return examine(ramalama, asked, on_event=ignore)
        finally:
            assert self.engine.list({}) == ()
            assert not self.servers.run_dir.exists()


def healthy(spec: ContainerSpec) -> FakeProgram:
    """Say what a container says that has all it shall have."""
    (program,) = spec.entrypoint or ("",)
    nodes = "\n".join(
        f"crw-rw-rw- 1 0 0 226, 128 Nov 22 18:07 {device.target.removeprefix('/dev/')}"
        for device in spec.devices
        if isinstance(device, HostDevice)
    )
    groups = " ".join(spec.groups)
    status = f"Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t{groups}\nCapEff:\t0\n"
    texts = {"ls": nodes, "cat": status, "env": ""}
    return FakeProgram(logs=tuple(texts[program].splitlines()), exit_code=0)


@pytest.fixture
def radeon(tmp_path: Path) -> Host:
    return make_host("ryzen-780m", tmp_path).host


def test_a_healthy_host_has_no_problem(run_dir: Path, radeon: Host) -> None:
    surgery = Surgery(run_dir, host=radeon, script=healthy)

    diagnosis = surgery.examine()

    assert diagnosis.problems == ()
    assert diagnosis.inspected_image == IMAGE_NAME
    assert diagnosis.view is not None
    assert [node.path for node in diagnosis.view.nodes or ()] == [RENDER]


def test_the_container_differs_from_a_servers_in_its_program_mounts_and_memory_alone(
    run_dir: Path, radeon: Host
) -> None:
    surgery = Surgery(run_dir, host=radeon, script=healthy)
    surgery.examine()
    ramalama = Ramalama(
        engine=surgery.engine, host=radeon, user=surgery.servers.ramalama().user, run_dir=run_dir
    )
    server = ramalama.plan(surgery.servers.options).container

    assert len(surgery.specs) == 3
    for spec in surgery.specs:
        varying = {
            "name": server.name,
            "labels": server.labels,
            "entrypoint": server.entrypoint,
            "command": server.command,
            "mounts": server.mounts,
            "memory_limit": server.memory_limit,
        }
        assert 0 < (spec.memory_limit or 0) < (server.memory_limit or 0)
        assert replace(spec, **varying) == server  # type: ignore[arg-type]  # all are the server's
        assert spec.labels.keys() == server.labels.keys()
        assert [mount.target for mount in spec.mounts] == ["/tmp"]  # noqa: S108 (in a container)


def test_the_volumes_of_an_image_that_is_pulled_first_are_covered_as_well(
    run_dir: Path, radeon: Host
) -> None:
    surgery = Surgery(run_dir, host=radeon, script=healthy)

    surgery.examine(image="quay.io/me/volatile:1", pull_policy=PullPolicy.MISSING)

    assert {mount.target for spec in surgery.specs for mount in spec.mounts} == {"/tmp", "/data"}  # noqa: S108 (in a container)
    assert surgery.engine.anonymous_volumes == ()


def test_without_the_accelerators_image_that_of_the_cpu_is_inspected(
    run_dir: Path, tmp_path: Path
) -> None:
    host = make_host("two-radeons", tmp_path).host
    surgery = Surgery(run_dir, host=host, script=healthy)

    diagnosis = surgery.examine()

    assert diagnosis.container.image == "quay.io/ramalama/rocm:0.25"
    assert diagnosis.inspected_image == IMAGE_NAME
    assert {spec.image for spec in surgery.specs} == {IMAGE_NAME}
    assert surgery.engine.pulls == ()


def test_an_image_is_pulled_if_the_user_says_so(run_dir: Path, tmp_path: Path) -> None:
    host = make_host("two-radeons", tmp_path).host
    surgery = Surgery(run_dir, host=host, script=healthy)

    diagnosis = surgery.examine(pull_policy=PullPolicy.MISSING)

    assert diagnosis.inspected_image == "quay.io/ramalama/rocm:0.25"
    assert [pull.image for pull in surgery.engine.pulls] == ["quay.io/ramalama/rocm:0.25"]


def test_without_any_image_there_is_nothing_to_look_from(run_dir: Path, radeon: Host) -> None:
    diagnosis = Surgery(run_dir, host=radeon, script=healthy, images=()).examine()

    assert (diagnosis.inspected_image, diagnosis.view) == (None, None)
    assert [problem.remedy for problem in diagnosis.problems] == [
        "repeat the command with --pull=missing"
    ]


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("laptop-nvidia-intel-without-cdi", "no CDI specification"),
        ("laptop-amd-nouveau", "nouveau"),
        ("nvidia-driver-not-loaded", "driver"),
        ("two-radeons-without-permission", "may not open"),
    ],
)
def test_a_card_in_whose_place_nothing_serves_is_a_problem(
    run_dir: Path, tmp_path: Path, host: str, said: str
) -> None:
    # A rootless engine, so that the user's permissions count.
    surgery = Surgery(run_dir, host=make_host(host, tmp_path).host, script=healthy, rootless=True)

    problem = surgery.examine().problems[0]

    assert said in problem.message
    assert problem.remedy


@pytest.mark.parametrize("host", ["ryzen-780m", "vm-with-virtio-gpu"])
def test_a_card_in_whose_place_another_serves_or_that_is_a_display_is_none(
    run_dir: Path, tmp_path: Path, host: str
) -> None:
    detection = detect(make_host(host, tmp_path).host)
    surgery = Surgery(run_dir, host=make_host(host, tmp_path / "2").host, script=healthy)

    assert not all(finding.usable for finding in detection.findings)
    assert not {f.message for f in detection.findings} & {
        problem.message for problem in surgery.examine().problems
    }


def test_a_hidden_card_is_the_users_wish(run_dir: Path, tmp_path: Path) -> None:
    env = {"CUDA_VISIBLE_DEVICES": ""}
    host = replace(make_host("nvidia-driver-not-loaded", tmp_path).host, env=env)

    assert Surgery(run_dir, host=host, script=healthy).examine().problems == ()


def test_a_wish_that_makes_no_sense_is_refused_as_by_run(run_dir: Path, tmp_path: Path) -> None:
    host = Host(root=tmp_path, env={"CUDA_VISIBLE_DEVICES": "first"})

    with pytest.raises(OptionRefused, match="CUDA_VISIBLE_DEVICES"):
        Surgery(run_dir, host=host, script=healthy).examine()


@pytest.mark.parametrize("what", ["create_error", "start_error"])
def test_a_container_that_the_engine_refuses_is_a_problem(
    run_dir: Path, radeon: Host, what: str
) -> None:
    errors = {
        "create_error": UnsupportedOption("docker cannot resolve CDI devices", engine="docker"),
        "start_error": ContainerStartError("no such device", engine="docker"),
    }
    broken = FakeProgram(**{what: errors[what]})  # type: ignore[arg-type]  # the row names it

    diagnosis = Surgery(run_dir, host=radeon, script=lambda _: broken).examine()

    assert diagnosis.view is None
    assert [problem.message for problem in diagnosis.problems] == [str(errors[what])]


def test_a_program_that_the_image_lacks_leaves_its_question_open(
    run_dir: Path, radeon: Host
) -> None:
    missing = ContainerStartError("no such program", engine="podman")

    def without_ls(spec: ContainerSpec) -> FakeProgram:
        return FakeProgram(start_error=missing) if spec.entrypoint == ("ls",) else healthy(spec)

    diagnosis = Surgery(run_dir, host=radeon, script=without_ls).examine()

    assert diagnosis.problems == ()
    assert diagnosis.view is not None
    assert diagnosis.view.missing_programs == ("ls",)


def test_an_engine_that_goes_away_is_an_error_and_no_diagnosis(run_dir: Path, radeon: Host) -> None:
    gone = FakeProgram(create_error=EngineUnavailable("podman is gone", engine="podman"))

    with pytest.raises(EngineFailure, match="podman is gone"):
        Surgery(run_dir, host=radeon, script=lambda _: gone).examine()
