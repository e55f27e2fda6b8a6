"""From options to what the engine is told."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.config.options import ServeOptions
from ramalama.errors import OptionRefused
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.stored_model import StoredModel
from ramalama.planning.checks import check_on_engine, check_options
from ramalama.planning.plan import LaunchPlan, make_plan, without_shell
from ramalama_accel import Accelerator, AcceleratorKind, Gpu
from ramalama_accel.runtime_name import RuntimeName
from ramalama_chat import TcpEndpoint, UnixEndpoint
from ramalama_engines import (
    BindMount,
    CdiDevice,
    ContainerSpec,
    EngineKind,
    HostDevice,
    PortBinding,
    TmpfsMount,
)
from tests.unit.ramalama.made_up import CPU, FRESH_SOCKET, HERE, IMAGE, INPUTS, OPTIONS, STORED

if TYPE_CHECKING:
    from ramalama.planning.inputs import PlanInputs

CUDA = Accelerator(
    kind=AcceleratorKind.CUDA,
    cdi_devices=("nvidia.com/gpu=all",),
    env={"CUDA_VISIBLE_DEVICES": "0"},
)
NVIDIA_RUNTIME = Accelerator(
    kind=AcceleratorKind.CUDA,
    oci_runtime="nvidia-container-runtime",
    env={"NVIDIA_VISIBLE_DEVICES": "all"},
)
ASCEND = Accelerator(
    kind=AcceleratorKind.ASCEND,
    device_paths=("/dev/davinci0", "/dev/davinci_manager"),
    library_paths=("/usr/local/dcmi",),
    groups=(44, 109),
    env={"ASCEND_VISIBLE_DEVICES": "0"},
)
GIB, MIB = 1 << 30, 1 << 20
TMP = "/tmp"  # noqa: S108 (the container's own)
# What a server is asked for its health and its metrics.
QUESTIONS = {"LLAMA_ARG_ENDPOINT_METRICS": "1", "LLAMA_ARG_ENDPOINT_SLOTS": "1"}
BRIDGE = replace(OPTIONS, network="bridge")
HOST = replace(OPTIONS, network="host")
VLLM = replace(OPTIONS, runtime=RuntimeName.VLLM)


def plan(
    options: ServeOptions = OPTIONS,
    accelerator: Accelerator = CPU,
    *,
    model: StoredModel = STORED,
    rootless: bool = False,
) -> LaunchPlan:
    inputs = replace(INPUTS, options=options, model=model, accelerator=accelerator)
    return make_plan(inputs, replace(HERE, rootless=rootless))


def container(
    options: ServeOptions = OPTIONS, accelerator: Accelerator = CPU, *, rootless: bool = False
) -> ContainerSpec:
    return plan(options, accelerator, rootless=rootless).container


def model_mounts(made: LaunchPlan) -> dict[str, str]:
    return {
        mount.source: mount.target
        for mount in made.container.mounts
        if isinstance(mount, BindMount) and mount.target != "/run/ramalama"
    }


def stored(*paths: str) -> StoredModel:
    return StoredModel(
        reference=ModelRef(Scheme.FILE, paths[0]), weights=tuple(Path(path) for path in paths)
    )


def test_by_default_a_container_is_cut_off_from_all_it_does_not_need() -> None:
    assert container() == ContainerSpec(
        image="quay.io/ramalama/ramalama:0.25",
        entrypoint=(*FRESH_SOCKET, "llama-server"),
        command=plan().server.argv,
        name="ramalama-0a1b2c3d4e",
        labels={
            "ai.ramalama": "",
            "ai.ramalama.model": "file:///models/granite.gguf",
            "ai.ramalama.alias": "granite",
            "ai.ramalama.engine": "podman",
            "ai.ramalama.runtime": "llama.cpp",
            "ai.ramalama.owner": "0123abcd-42-4711",
            "ai.ramalama.instance": "/run/user/1000/ramalama/0123abcd-42-4711-00ff",
            "ai.ramalama.plan": "",
            "ai.ramalama.host": "",
            "ai.ramalama.port": "",
            "ai.ramalama.api": "",
            "ai.ramalama.companion": "",
            "ai.ramalama.companions": "",
        },
        env={"HOME": TMP, **QUESTIONS, "LLAMA_ARG_CACHE_RAM": "2048", "LLAMA_ARG_FIT": "off"},
        devices=(),
        mounts=(
            BindMount(
                source="/models/granite.gguf", target="/mnt/models/granite.gguf", relabel=True
            ),
            BindMount(
                source="/run/user/1000/ramalama/0123abcd-42-4711-00ff",
                target="/run/ramalama",
                read_only=False,
                relabel=True,
            ),
            TmpfsMount(target=TMP, size=GIB),
        ),
        ports=(),
        network="none",
        oci_runtime=None,
        privileged=False,
        selinux_options=(),
        cap_drop=("all",),
        no_new_privileges=True,
        read_only=True,
        user="1000:1001",
        groups=(),
        keep_groups=False,
        pids_limit=8192,
        optional_limits=("pids_limit",),
        log_size=16 * MIB,
    )


@pytest.mark.parametrize(
    ("accelerator", "size", "compiles"), [(CPU, GIB, False), (NVIDIA_RUNTIME, 8 * GIB, True)]
)
def test_vllm_is_given_shared_memory_and_a_place_for_what_it_compiles(
    accelerator: Accelerator,
    size: int,
    compiles: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    made = container(VLLM, accelerator)

    assert tmpfs(made) == [
        TmpfsMount(target=TMP, size=size, executable=compiles),
        TmpfsMount(target="/dev/shm", size=8 * GIB),  # noqa: S108 (the container's own)
    ]


def tmpfs(made: ContainerSpec) -> list[TmpfsMount]:
    return [mount for mount in made.mounts if isinstance(mount, TmpfsMount)]


@pytest.mark.parametrize(
    ("options", "limit", "optional"),
    [
        (OPTIONS, 7 * GIB, ("pids_limit", "memory_limit")),
        (VLLM, 19 * GIB, ("pids_limit", "memory_limit")),
        (replace(OPTIONS, memory=GIB), GIB, ("pids_limit",)),
        (replace(VLLM, memory=GIB), GIB, ("pids_limit",)),
        (replace(OPTIONS, memory=0), None, ("pids_limit",)),
    ],
)
def test_memory_is_limited_to_what_the_model_and_the_server_need_or_the_user_says(
    options: ServeOptions, limit: int | None, optional: tuple[str, ...]
) -> None:
    made = make_plan(replace(INPUTS, options=options, model_memory=3 * GIB), HERE).container

    assert (made.memory_limit, made.optional_limits) == (limit, optional)


def test_the_volumes_of_an_image_are_covered_by_small_file_systems_in_memory() -> None:
    volumes = ("/data", "/var//cache/", "/tmp", "/mnt/models", "/run", "/data/./")  # noqa: S108

    made = make_plan(with_volumes(*volumes), HERE).container

    assert tmpfs(made)[1:] == [
        TmpfsMount(target=path, size=64 * MIB)
        for path in ("/data", "/var/cache", "/mnt/models", "/run")
    ]
    assert tmpfs(made)[0] == TmpfsMount(target=TMP, size=GIB)


@pytest.mark.parametrize(
    "volumes",
    [
        tuple(f"/v{number}" for number in range(17)),
        ("/run/ramalama/x",),
        ("/run/../run//ramalama/x/y",),
        ("/mnt/models/granite.gguf/x",),
        ("/",),
        ("//",),
        ("/proc",),
        ("/sys/fs",),
        ("/dev/../dev/shm/",),
        ("relative",),
        ("",),
        ("/a\nb",),
        ("/a\u202eb",),
        ("/" + "x" * 255,),
    ],
    ids=str,
)
def test_an_image_with_odd_volumes_is_refused(volumes: tuple[str, ...]) -> None:
    with pytest.raises(OptionRefused, match="declares") as caught:
        make_plan(with_volumes(*volumes), HERE)

    assert str(caught.value).isprintable()


def with_volumes(*paths: str) -> PlanInputs:
    return replace(INPUTS, image=replace(IMAGE, volumes=paths))


@pytest.mark.parametrize(("devices", "words"), [(None, "--tensor-parallel-size 2"), ((), "")])
def test_a_server_shares_the_model_among_the_gpus_that_it_sees(
    devices: tuple[()] | None, words: str
) -> None:
    pair = Accelerator(kind=AcceleratorKind.CUDA, gpus=(Gpu(index=0), Gpu(index=1)))

    made = plan(replace(VLLM, devices=devices), pair)

    assert words in " ".join(made.server.argv)
    assert ("--enforce-eager" in made.server.argv) is (devices == ())


def test_without_a_network_the_server_is_reached_through_a_socket_of_the_users_own() -> None:
    made = plan()

    path = "/run/user/1000/ramalama/0123abcd-42-4711-00ff/api.sock"
    assert made.endpoint == UnixEndpoint(path=path)
    assert made.published_port is None
    assert made.server.argv[:2] == ("--host", "/run/ramalama/api.sock")


@pytest.mark.parametrize("network", ["bridge", "slirp4netns", "pasta", "private", "my-network"])
def test_any_network_publishes_a_port_on_loopback_that_the_engine_picks(network: str) -> None:
    made = plan(replace(OPTIONS, network=network))

    assert made.container.network == network
    assert made.container.ports == (
        PortBinding(container_port=8080, host_port=0, host_address="127.0.0.1"),
    )
    assert made.endpoint == TcpEndpoint(host="127.0.0.1", port=0, api_key="the-secret-key")
    assert made.published_port == 8080
    assert made.server.argv[:4] == ("--host", "0.0.0.0", "--port", "8080")  # noqa: S104 (in a container)
    assert made.container.labels["ai.ramalama.port"] == ""


def test_a_port_that_the_user_asks_for_is_published_and_told_by_label() -> None:
    made = plan(replace(BRIDGE, port=9000))

    assert made.container.ports == (PortBinding(container_port=8080, host_port=9000),)
    assert made.endpoint == TcpEndpoint(host="127.0.0.1", port=9000, api_key="the-secret-key")
    assert made.container.labels["ai.ramalama.port"] == "9000"


@pytest.mark.parametrize(("asked", "port"), [(None, 40000), (9000, 9000)])
def test_on_the_hosts_network_the_server_itself_listens_on_loopback(
    asked: int | None, port: int
) -> None:
    inputs = replace(INPUTS, options=replace(HOST, port=asked))
    made = make_plan(inputs, replace(HERE, host_port=40000))

    assert made.server.argv[:4] == ("--host", "127.0.0.1", "--port", str(port))
    assert made.endpoint == TcpEndpoint(host="127.0.0.1", port=port, api_key="the-secret-key")
    assert made.container.ports == ()
    assert made.published_port is None


@pytest.mark.parametrize("options", [BRIDGE, HOST], ids=["bridge", "host"])
def test_a_server_on_a_port_asks_for_a_key_from_a_file_that_it_may_only_read(
    options: ServeOptions,
) -> None:
    made = plan(options)

    argv = made.server.argv
    assert argv[argv.index("--api-key-file") + 1] == "/run/ramalama/api-key"
    directory = next(
        mount
        for mount in made.container.mounts
        if isinstance(mount, BindMount) and mount.target == "/run/ramalama"
    )
    assert directory.read_only


@pytest.mark.parametrize("options", [OPTIONS, BRIDGE, HOST], ids=["none", "bridge", "host"])
def test_the_key_is_nowhere_in_what_others_may_read(options: ServeOptions) -> None:
    made = plan(options)

    assert "the-secret-key" not in repr(made.container)
    assert "the-secret-key" not in f"{made!r} {HERE!r}"


@pytest.mark.parametrize("network", ["container:x", "ns:/run/netns/x", "pod:x", "service:x"])
def test_a_network_of_somebody_else_is_refused(network: str) -> None:
    with pytest.raises(OptionRefused, match="cannot publish a port"):
        check_options(replace(OPTIONS, network=network))


@pytest.mark.parametrize(
    ("network", "kind", "rootless", "refused"),
    [
        ("host", EngineKind.DOCKER, True, True),
        ("host", EngineKind.DOCKER, False, False),
        ("host", EngineKind.PODMAN, True, False),
        ("bridge", EngineKind.DOCKER, True, False),
        ("none", EngineKind.DOCKER, True, False),
    ],
)
def test_the_network_of_a_host_that_is_not_this_one_is_refused(
    network: str,
    kind: EngineKind,
    rootless: bool,  # noqa: FBT001 (a row of the table)
    refused: bool,  # noqa: FBT001 (likewise)
) -> None:
    asked = replace(OPTIONS, network=network)

    with pytest.raises(OptionRefused, match="use --network bridge") if refused else nullcontext():
        check_on_engine(asked, kind, rootless=rootless)


@pytest.mark.parametrize(
    ("engine", "rootless", "userns"),
    [("docker", False, "host"), ("docker", True, None), ("podman", False, None)],
)
def test_a_server_on_docker_runs_as_the_user_even_where_users_are_mapped(
    engine: str,
    rootless: bool,  # noqa: FBT001 (a row of the table)
    userns: str | None,
) -> None:
    made = make_plan(INPUTS, replace(HERE, engine=engine, rootless=rootless)).container

    assert made.userns == userns


def test_a_port_without_a_network_is_refused() -> None:
    with pytest.raises(OptionRefused, match="--port requires a network"):
        plan(replace(OPTIONS, port=9000))


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({"name": "mine"}, {"name": "mine"}),
        ({"oci_runtime": "crun"}, {"oci_runtime": "crun"}),
        ({"keep_groups": True}, {"keep_groups": True}),
        (
            {"devices": (HostDevice(source="/dev/fuse", target="/dev/fuse"),)},
            {"devices": (HostDevice(source="/dev/fuse", target="/dev/fuse"),)},
        ),
        (
            {"devices": (CdiDevice(name="vendor.com/x=1"),)},
            {"devices": (CdiDevice(name="vendor.com/x=1"),)},
        ),
        (
            {"env": {"A": "1", "HOME": "/home"}},
            {
                "env": {
                    "HOME": "/home",
                    **QUESTIONS,
                    "LLAMA_ARG_CACHE_RAM": "2048",
                    "LLAMA_ARG_FIT": "off",
                    "A": "1",
                }
            },
        ),
        ({"memory": 16 * GIB}, {"memory_limit": 16 * GIB}),
    ],
    ids=["name", "oci-runtime", "keep-groups", "device", "cdi-device", "env", "memory"],
)
def test_an_option_changes_what_it_says_and_nothing_else(
    options: dict[str, object], changes: dict[str, object]
) -> None:
    asked = replace(OPTIONS, **options)  # type: ignore[arg-type]  # each row names its fields

    assert container(asked) == replace(container(), **changes)  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("option", ["image", "pull_policy", "authfile", "tls_verify"])
def test_what_concerns_the_images_pull_is_no_part_of_the_container(option: str) -> None:
    values = {"image": "x", "pull_policy": "never", "authfile": Path("/x"), "tls_verify": False}

    asked = replace(OPTIONS, **{option: values[option]})  # type: ignore[arg-type]  # as the row says

    assert container(asked) == container()


def test_every_option_is_known_to_these_tests() -> None:
    """A new option shows up here, so that somebody thinks of its way into the container."""
    assert {field.name for field in fields(ServeOptions)} == {
        *(
            "model",
            "draft",
            "embeddings",
            "runtime",
            "ctx_size",
            "ngl",
            "threads",
            "temp",
            "seed",
            "parallel",
            "runtime_args",
        ),
        *("api", "stack_image", "rag"),
        *("image", "pull_policy", "authfile", "tls_verify", "force"),
        *("network", "port", "host", "api_key"),
        *("name", "env", "devices", "privileged", "keep_groups", "selinux"),
        *("oci_runtime", "memory"),
    }


@pytest.mark.parametrize(("asked", "threads"), [(None, "4"), (7, "7")])
def test_threads_are_the_users_or_the_machines_default(asked: int | None, threads: str) -> None:
    argv = plan(replace(OPTIONS, threads=asked)).container.command

    assert argv[argv.index("--threads") + 1] == threads


def test_a_privileged_container_is_locked_up_in_nothing() -> None:
    made = container(replace(OPTIONS, privileged=True))

    assert (made.privileged, made.cap_drop, made.no_new_privileges, made.read_only) == (
        *(True, (), False, False),
    )
    assert made.selinux_options == ("disable",)
    assert relabelled(made) == set()


def test_without_selinux_nothing_is_relabelled_and_all_else_stays_locked() -> None:
    made = container(replace(OPTIONS, selinux=False))

    assert made.selinux_options == ("disable",)
    assert relabelled(made) == set()
    assert (made.cap_drop, made.no_new_privileges, made.read_only) == (("all",), True, True)


def relabelled(made: ContainerSpec) -> set[str]:
    binds = (mount for mount in made.mounts if isinstance(mount, BindMount))
    return {mount.target for mount in binds if mount.relabel}


def test_on_a_rootless_engine_the_server_runs_as_its_root_who_is_the_invoking_user() -> None:
    assert container(rootless=True).user == "0:0"


def test_cards_come_by_cdi_name_with_their_environment() -> None:
    made = container(accelerator=CUDA)

    assert made.devices == (CdiDevice(name="nvidia.com/gpu=all"),)
    assert made.env == {
        "HOME": TMP,
        **QUESTIONS,
        "LLAMA_ARG_CACHE_RAM": "2048",
        "LLAMA_ARG_LOG_VERBOSITY": "4",
        "CUDA_VISIBLE_DEVICES": "0",
    }


def test_cards_come_by_device_node_with_groups_and_the_vendors_libraries() -> None:
    made = container(accelerator=ASCEND)

    assert made.devices == (
        HostDevice(source="/dev/davinci0", target="/dev/davinci0"),
        HostDevice(source="/dev/davinci_manager", target="/dev/davinci_manager"),
    )
    assert made.groups == ("44", "109")
    assert made.mounts[-1] == BindMount(source="/usr/local/dcmi", target="/usr/local/dcmi")


def test_the_systems_own_libraries_are_never_relabelled() -> None:
    assert relabelled(container(accelerator=ASCEND)) == {
        "/mnt/models/granite.gguf",
        "/run/ramalama",
    }


def test_a_rootless_engine_is_asked_for_no_groups_since_it_could_not_grant_them() -> None:
    assert container(accelerator=ASCEND, rootless=True).groups == ()


@pytest.mark.parametrize(
    ("asked", "runtime"), [(None, "nvidia-container-runtime"), ("crun", "crun")]
)
def test_the_accelerators_oci_runtime_holds_unless_the_user_names_one(
    asked: str | None, runtime: str
) -> None:
    asked_for = replace(OPTIONS, oci_runtime=asked)

    assert container(asked_for, NVIDIA_RUNTIME).oci_runtime == runtime


def test_the_users_devices_come_after_the_accelerators() -> None:
    fuse = HostDevice(source="/dev/fuse", target="/dev/fuse")

    assert container(replace(OPTIONS, devices=(fuse,)), CUDA).devices == (
        CdiDevice(name="nvidia.com/gpu=all"),
        fuse,
    )


@pytest.mark.parametrize("accelerator", [CUDA, ASCEND, NVIDIA_RUNTIME], ids=["cdi", "nodes", "oci"])
def test_no_devices_means_none_at_all(accelerator: Accelerator) -> None:
    made = container(replace(OPTIONS, devices=()), accelerator)

    assert made.devices == ()
    assert made.env.keys().isdisjoint(accelerator.env)


def test_the_users_environment_wins_over_the_accelerators() -> None:
    asked = replace(OPTIONS, env={"CUDA_VISIBLE_DEVICES": "1"})

    assert container(asked, CUDA).env["CUDA_VISIBLE_DEVICES"] == "1"


@pytest.mark.parametrize(
    "name", ["two words.gguf", "-n.gguf", ".gguf", "new\nline", "a:b", "a,b", "🦭", "x" * 240, 'q"']
)
def test_a_file_whose_name_is_no_good_as_an_argument_gets_a_plain_one_inside(name: str) -> None:
    made = plan(model=stored(f"/models/{name}"))

    assert made.container.mounts[0] == BindMount(
        source=f"/models/{name}", target="/mnt/models/model.gguf", relabel=True
    )
    argv = made.server.argv
    assert argv[argv.index("--model") + 1] == "/mnt/models/model.gguf"


@pytest.mark.parametrize(
    ("stem", "inside"), [("granite", "granite"), ("--odd name", "model"), ("ç", "model")]
)
def test_all_parts_of_a_split_model_are_mounted_under_names_that_the_server_finds(
    stem: str, inside: str
) -> None:
    made = plan(
        model=stored(f"/models/{stem}-00001-of-00002.gguf", f"/models/{stem}-00002-of-00002.gguf")
    )

    targets = [mount.target for mount in made.container.mounts]
    assert targets[:2] == [
        f"/mnt/models/{inside}-00001-of-00002.gguf",
        f"/mnt/models/{inside}-00002-of-00002.gguf",
    ]
    argv = made.server.argv
    assert argv[argv.index("--model") + 1] == targets[0]


@pytest.mark.parametrize(
    ("path", "alias"),
    [
        ("/models/granite.gguf", "granite"),
        ("/models/granite-4.0-h.Q4.gguf", "granite-4.0-h.Q4"),
        ("/models/granite", "granite"),
        ("/models/two words.gguf", "two words"),
    ],
)
def test_clients_call_the_model_by_its_files_name(path: str, alias: str) -> None:
    made = plan(model=stored(path))

    argv = made.server.argv
    assert made.alias == argv[argv.index("--alias") + 1] == alias


def test_everything_that_belongs_to_a_model_is_mounted_and_named_to_the_server() -> None:
    model = StoredModel(
        reference=ModelRef(Scheme.OLLAMA, "library/granite", "8b"),
        weights=(Path("/store/granite.gguf"),),
        projectors=(Path("/store/a b.gguf"),),
        adapters=(Path("/store/lora1.gguf"), Path("/store/lora2.gguf")),
        draft=Path("/store/small.gguf"),
        chat_template=Path("/store/--help"),
    )

    made = plan(OPTIONS, model=model)

    assert model_mounts(made) == {
        "/store/granite.gguf": "/mnt/models/granite.gguf",
        "/store/a b.gguf": "/mnt/extras/mmproj-0.gguf",
        "/store/lora1.gguf": "/mnt/extras/adapter-0.gguf",
        "/store/lora2.gguf": "/mnt/extras/adapter-1.gguf",
        "/store/small.gguf": "/mnt/extras/draft.gguf",
        "/store/--help": "/mnt/extras/chat_template.jinja",
    }
    words = " ".join(made.container.command)
    assert "--mmproj /mnt/extras/mmproj-0.gguf" in words
    assert "--lora /mnt/extras/adapter-0.gguf --lora /mnt/extras/adapter-1.gguf" in words
    assert "--model-draft /mnt/extras/draft.gguf --spec-type draft-simple" in words
    assert "--chat-template-file /mnt/extras/chat_template.jinja" in words


def test_a_model_that_is_its_own_draft_is_mounted_once() -> None:
    model = replace(stored("/store/granite.gguf"), draft=Path("/store/granite.gguf"))

    made = plan(model=model)

    assert model_mounts(made) == {"/store/granite.gguf": "/mnt/models/granite.gguf"}
    assert "--model-draft /mnt/models/granite.gguf " in " ".join(made.container.command)


def test_a_draft_of_safetensors_is_a_directory_beside_the_models_own() -> None:
    weights = (Path("/store/large/model.safetensors"),)
    model = StoredModel(
        reference=ModelRef(Scheme.HUGGINGFACE, "ibm/granite"),
        weights=weights,
        directory=weights[0].parent,
        draft=Path("/store/small"),
    )

    mounts = model_mounts(plan(VLLM, model=model))

    assert mounts == {"/store/large": "/mnt/models", "/store/small": "/mnt/extras/draft"}


@pytest.mark.parametrize(
    ("reference", "alias"),
    [
        (ModelRef(Scheme.OLLAMA, "library/granite", "latest"), "granite"),
        (ModelRef(Scheme.OLLAMA, "library/granite", "8b"), "granite:8b"),
        (ModelRef(Scheme.HUGGINGFACE, "ibm/granite", "Q4_K_M"), "ibm/granite:Q4_K_M"),
        (ModelRef(Scheme.OCI, "quay.io/me/granite", f"sha256:{'0' * 64}"), "quay.io/me/granite"),
        (ModelRef(Scheme.HTTPS, "example.com/x?y"), "granite-3"),
        (ModelRef(Scheme.FILE, "/models/granite-3.gguf"), "granite-3"),
    ],
)
def test_clients_call_a_model_as_its_registry_does(reference: ModelRef, alias: str) -> None:
    model = StoredModel(reference=reference, weights=(Path("/models/granite-3.gguf"),))

    assert plan(OPTIONS, model=model).alias == alias


def test_a_directory_is_mounted_whole() -> None:
    model = StoredModel(
        reference=ModelRef(Scheme.HUGGINGFACE, "ibm/granite"),
        weights=(Path("/store/snap/model.safetensors"),),
        directory=Path("/store/snap"),
    )

    made = plan(OPTIONS, model=model)

    assert model_mounts(made) == {"/store/snap": "/mnt/models"}
    assert "--model /mnt/models " in " ".join(made.container.command)


@pytest.mark.parametrize(
    ("network", "host", "listens", "reached"),
    [
        ("bridge", "0.0.0.0", "0.0.0.0", "127.0.0.1"),  # noqa: S104 (planned only)
        ("bridge", "::", "0.0.0.0", "::1"),  # noqa: S104 (likewise)
        ("bridge", "192.0.2.7", "0.0.0.0", "192.0.2.7"),  # noqa: S104 (likewise)
        ("host", "0.0.0.0", "0.0.0.0", "127.0.0.1"),  # noqa: S104 (likewise)
        ("host", "::1", "::1", "::1"),
    ],
)
def test_a_server_is_published_where_the_user_says_and_reached_from_here(
    network: str, host: str, listens: str, reached: str
) -> None:
    made = plan(replace(OPTIONS, network=network, host=host, port=9000))

    assert made.server.argv[:2] == ("--host", listens)
    assert [port.host_address for port in made.container.ports] == [host] * (network == "bridge")
    assert made.endpoint == TcpEndpoint(host=reached, port=9000, api_key="the-secret-key")
    assert made.container.labels["ai.ramalama.host"] == host


def test_a_key_of_the_users_is_asked_for_and_shown_nowhere() -> None:
    made = plan(replace(BRIDGE, api_key="open-sesame"))

    assert made.endpoint == TcpEndpoint(host="127.0.0.1", port=0, api_key="open-sesame")
    assert "open-sesame" not in repr((made, replace(BRIDGE, api_key="open-sesame")))


@pytest.mark.parametrize("options", [OPTIONS, VLLM], ids=["llama.cpp", "vllm"])
def test_a_container_that_is_started_again_removes_its_old_socket_first(
    options: ServeOptions,
) -> None:
    spec = container(options)
    plain = without_shell(spec)

    assert spec.entrypoint is not None
    assert spec.entrypoint[: len(FRESH_SOCKET)] == FRESH_SOCKET
    assert plain == replace(spec, entrypoint=plan(options).server.entrypoint)


@pytest.mark.parametrize("options", [BRIDGE, HOST])
def test_a_server_on_a_port_needs_no_shell(options: ServeOptions) -> None:
    assert without_shell(container(options)) is None


def test_the_script_removes_a_socket_and_nothing_else_and_becomes_the_server(
    tmp_path: Path,
) -> None:
    old, file = tmp_path / "api.sock", tmp_path / "file"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(old))
    file.write_text("kept")

    for path in (old, file, tmp_path / "missing"):
        words = [*FRESH_SOCKET[:3], str(path), "sh", "-c", 'echo "$PPID $*"', "sh", "a b"]
        done = subprocess.run(words, capture_output=True, check=True, text=True)
        assert done.stdout == f"{os.getpid()} a b\n"

    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
