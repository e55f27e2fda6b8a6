"""`--api llama-stack`: a second container, in the network of the model server's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ramalama.config.api_name import ApiName
from ramalama.config.options import ServeOptions
from ramalama.errors import OptionRefused
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.stored_model import StoredModel
from ramalama.planning.labels import CONFIG_NAME, companion_names
from ramalama.planning.plan import LaunchPlan, make_plan
from ramalama.planning.stack import stack_config
from ramalama.runtimes.base import EmbeddingLimits
from ramalama.serving.sides.volumes import VolumePlacement
from ramalama_accel import Accelerator, AcceleratorKind
from ramalama_accel.runtime_name import RuntimeName
from ramalama_chat import TcpEndpoint, UnixEndpoint
from ramalama_engines import BindMount, CdiDevice, LocalImage, PortBinding, TmpfsMount, VolumeMount
from tests.unit.ramalama.made_up import HERE, INPUTS, MODEL, OPTIONS

if TYPE_CHECKING:
    from ramalama.planning.inputs import LaunchEnvironment, PlanInputs

STACK = replace(OPTIONS, api=ApiName.LLAMA_STACK)
BRIDGE = replace(STACK, network="bridge")
NAME = "quay.io/ramalama/llama-stack:0.25"
DIRECTORY = "/run/user/1000/ramalama/0123abcd-42-4711-00ff"
TMP = "/tmp"  # noqa: S108 (the container's own)


EMBEDDING_MODEL = ModelRef(Scheme.OLLAMA, "library/nomic-embed-text", "latest")
EMBEDDER = replace(
    INPUTS,
    options=ServeOptions(model=EMBEDDING_MODEL, embeddings=True, devices=()),
    model=StoredModel(reference=EMBEDDING_MODEL, weights=(Path("/models/nomic.gguf"),)),
    embedding=EmbeddingLimits(text=2048, dimension=768),
    model_memory=1 << 30,
)


def plan(
    options: ServeOptions = STACK,
    *,
    rootless: bool = False,
    embedder: PlanInputs | None = None,
    here: LaunchEnvironment = HERE,
) -> LaunchPlan:
    inputs = replace(
        INPUTS,
        options=options,
        stack_name=NAME,
        stack=LocalImage(id="sha256:2"),
        embedder=embedder,
    )
    return make_plan(inputs, replace(here, rootless=rootless))


def config(made: LaunchPlan) -> Any:  # noqa: ANN401 (a configuration)
    return yaml.safe_load(made.files[CONFIG_NAME])


def test_the_stack_answers_in_the_place_of_the_model_server() -> None:
    made = plan()

    assert isinstance(made.endpoint, UnixEndpoint)
    assert made.endpoint.path == f"{DIRECTORY}/api.sock"
    assert made.server.health_path == "/v1/health"
    assert made.alias == "granite"


def test_the_model_server_listens_for_the_stack_alone_and_asks_for_no_key() -> None:
    for options in (STACK, BRIDGE):
        made = plan(options).container
        words = made.command

        assert words[: words.index("--model")] == ("--host", "127.0.0.1", "--port", "8080")
        assert "/run/ramalama" not in {mount.target for mount in made.mounts}


def test_the_stack_joins_the_network_of_the_model_server_and_is_locked_up_like_it() -> None:
    made = plan()
    (stack,), server = made.companions, made.container

    assert (stack.image, stack.name) == (NAME, "ramalama-0a1b2c3d4e-stack")
    assert (server.network, stack.network) == ("none", "container:ramalama-0a1b2c3d4e")
    assert (stack.entrypoint, stack.command) == (None, ())
    assert (stack.cap_drop, stack.no_new_privileges, stack.read_only) == (("all",), True, True)
    assert (stack.user, stack.userns) == (server.user, server.userns)
    assert (stack.devices, stack.ports, stack.privileged) == ((), (), False)
    assert stack.memory_limit is not None
    assert stack.pids_limit is not None
    assert stack.log_size == server.log_size
    assert stack.mounts == (
        BindMount(source=DIRECTORY, target="/etc/ogx", relabel=True),
        BindMount(source=DIRECTORY, target="/run/ramalama", read_only=False, relabel=True),
        TmpfsMount(target=TMP, size=1 << 30),
    )
    assert stack.env == {
        "HOME": TMP,
        "RAMALAMA_URL": "http://127.0.0.1:8080",
        "RAMALAMA_RUNTIME": "llama.cpp",
        "RAMALAMA_SOCKET": "/run/ramalama/api.sock",
        "INFERENCE_MODEL": "granite",
    }


def test_labels_tell_the_stack_from_its_server_and_lead_from_one_to_the_other() -> None:
    made = plan()
    labels = made.companions[0].labels

    assert made.container.labels["ai.ramalama.api"] == "llama-stack"
    assert made.container.labels["ai.ramalama.companion"] == ""
    assert made.container.labels["ai.ramalama.companions"] == "stack"
    assert labels == {
        **made.container.labels,
        "ai.ramalama.companion": "llama-stack",
        "ai.ramalama.companions": "",
    }


def test_a_port_leads_to_the_stack_which_asks_for_the_key() -> None:
    made = plan(replace(BRIDGE, port=9000, api_key="sesame"))
    stack = made.companions[0]

    assert made.endpoint == TcpEndpoint(host="127.0.0.1", port=9000, api_key="sesame")
    assert made.container.ports == (PortBinding(container_port=8321, host_port=9000),)
    assert made.published_port == 8321
    assert "RAMALAMA_SOCKET" not in stack.env
    assert [mount.target for mount in stack.mounts] == ["/etc/ogx", TMP]
    assert made.files["api-key"] == "sesame\n"
    assert config(made)["server"] == {
        "host": "0.0.0.0",  # noqa: S104 (of the container)
        "port": 8321,
        "insecure": True,
        "auth": {"provider_config": {"type": "local_api_key", "api_keys": ["sesame"]}},
    }


def test_the_key_is_in_no_value_that_other_users_can_read() -> None:
    made = plan(replace(BRIDGE, api_key="sesame"))

    assert "sesame" not in repr(made)


@pytest.mark.parametrize(
    ("runtime", "provider"),
    [(RuntimeName.LLAMA_CPP, "llama-cpp-server"), (RuntimeName.VLLM, "vllm")],
)
def test_the_configuration_has_the_apis_and_one_model_server(
    runtime: RuntimeName, provider: str
) -> None:
    made = config(plan(replace(STACK, runtime=runtime)))

    assert made["apis"] == ["inference", "responses", "vector_io", "files", "tool_runtime"]
    assert made["providers"]["inference"] == [
        {
            "provider_id": provider,
            "provider_type": f"remote::{provider}",
            "config": {"base_url": "http://127.0.0.1:8080/v1"},
        }
    ]
    assert "telemetry" not in json.dumps(made)
    assert "auth" not in made["server"]


@pytest.mark.parametrize(
    "alias",
    ["granite", "smollm2:135m", "7", "true", 'a"b\\c', "é🦭", "\x7f\x85\ufeff\U000e0001", "-"],
)
def test_any_name_of_a_model_arrives_in_the_configuration(alias: str) -> None:
    text = stack_config(replace(INPUTS, options=STACK), alias, UnixEndpoint(path="/s"))

    (model,) = yaml.safe_load(text)["registered_resources"]["models"]
    assert (model["model_id"], model["provider_model_id"]) == (alias, alias)


def test_a_name_that_the_stack_would_replace_by_a_variable_is_another_one_there() -> None:
    text = stack_config(replace(INPUTS, options=STACK), "${env.HOME}", UnixEndpoint(path="/s"))

    assert "${" not in text


def test_a_privileged_server_with_a_gpu_makes_no_privileged_stack() -> None:
    options = replace(STACK, privileged=True)
    gpu = Accelerator(kind=AcceleratorKind.CUDA, cdi_devices=("nvidia.com/gpu=all",))
    inputs = replace(INPUTS, options=options, accelerator=gpu, stack_name=NAME)
    made = make_plan(inputs, HERE)

    assert made.container.devices == (CdiDevice(name="nvidia.com/gpu=all"),)
    assert made.companions[0].devices == ()
    assert made.companions[0].privileged is False
    assert made.companions[0].cap_drop == ("all",)


def test_the_volumes_of_the_stacks_image_are_covered() -> None:
    image = LocalImage(id="sha256:2", volumes=("/data",))
    inputs = replace(INPUTS, options=STACK, stack_name=NAME, stack=image)

    mounts = make_plan(inputs, HERE).companions[0].mounts

    assert TmpfsMount(target="/data", size=64 << 20) in mounts


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (replace(STACK, network="host"), "away from all other programs"),
        (replace(BRIDGE, api_key="${env.HOME}"), "must not contain"),
    ],
    ids=["network", "key"],
)
def test_what_would_open_the_stack_to_others_is_refused(options: ServeOptions, reason: str) -> None:
    with pytest.raises(OptionRefused, match=reason):
        plan(options)


def test_an_embeddings_server_joins_the_two_and_is_locked_up_like_any_server() -> None:
    made = plan(embedder=EMBEDDER)
    (embedder, stack), server = made.companions, made.container

    assert embedder.name == "ramalama-0a1b2c3d4e-embeddings"
    assert (embedder.network, stack.network) == (f"container:{server.name}",) * 2
    words = embedder.command
    assert words[: words.index("--model")] == ("--host", "127.0.0.1", "--port", "8081")
    assert words[words.index("--model") + 1] == "/mnt/models/nomic.gguf"
    assert "--embeddings" in words
    assert (embedder.cap_drop, embedder.no_new_privileges, embedder.read_only) == (
        *(("all",), True, True),
    )
    assert (embedder.user, embedder.userns) == (server.user, server.userns)
    assert (embedder.ports, embedder.devices) == ((), ())
    assert embedder.memory_limit == 5 << 30
    assert embedder.mounts == (
        BindMount(source="/models/nomic.gguf", target="/mnt/models/nomic.gguf", relabel=True),
        TmpfsMount(target=TMP, size=1 << 30),
    )


def test_labels_tell_the_embeddings_server_and_its_model() -> None:
    made = plan(embedder=EMBEDDER)
    embedder, stack = (each.labels for each in made.companions)

    assert made.container.labels["ai.ramalama.companions"] == "embeddings,stack"
    assert companion_names("x", "embeddings,stack") == ("x-embeddings", "x-stack")
    assert embedder["ai.ramalama.companion"] == "embeddings"
    assert embedder["ai.ramalama.model"] == str(EMBEDDING_MODEL)
    assert (embedder["ai.ramalama.companions"], stack["ai.ramalama.companions"]) == ("", "")
    assert embedder["ai.ramalama.instance"] == DIRECTORY
    assert embedder["ai.ramalama.plan"] == ""


def test_the_stack_knows_the_embeddings_server_and_splits_files_for_it() -> None:
    made = plan(embedder=EMBEDDER)
    told = config(made)

    first, second = told["providers"]["inference"]
    assert first["provider_id"] == "llama-cpp-server"
    assert second == {
        "provider_id": "embeddings",
        "provider_type": "remote::llama-cpp-server",
        "config": {"base_url": "http://127.0.0.1:8081/v1"},
    }
    assert told["registered_resources"]["models"][1] == {
        "model_id": "nomic-embed-text",
        "provider_id": "embeddings",
        "provider_model_id": "nomic-embed-text",
        "model_type": "embedding",
        "metadata": {"embedding_dimension": 768, "context_length": 2048},
    }
    assert told["vector_stores"]["default_embedding_model"] == {
        "provider_id": "embeddings",
        "model_id": "nomic-embed-text",
        "embedding_dimensions": 768,
    }
    assert "file_processors" in told["apis"]
    env = made.companions[1].env
    assert env["RAMALAMA_EMBEDDINGS_URL"] == "http://127.0.0.1:8081"
    assert env["EMBEDDING_MODEL"] == "embeddings/nomic-embed-text"


@pytest.mark.parametrize(("text", "size"), [(2048, 800), (512, 307), (64, 100)])
def test_pieces_of_files_fit_the_embedding_model(text: int, size: int) -> None:
    limits = EmbeddingLimits(text=text, dimension=384)
    told = config(plan(embedder=replace(EMBEDDER, embedding=limits)))

    (processor,) = told["providers"]["file_processors"]
    assert processor["config"] == {
        "default_chunk_size_tokens": size,
        "default_chunk_overlap_tokens": size // 2,
    }


def test_the_embedding_model_may_be_in_another_place_than_the_model() -> None:
    here = replace(HERE, beside=VolumePlacement(volume="embedder"))

    (embedder, _) = plan(embedder=EMBEDDER, here=here).companions

    assert embedder.mounts[0] == VolumeMount(name="embedder", target="/mnt")


def test_without_an_embeddings_server_nothing_is_said_of_it() -> None:
    made = plan()

    assert "vector_stores" not in config(made)
    assert "RAMALAMA_EMBEDDINGS_URL" not in made.companions[0].env


def test_by_default_there_is_no_stack() -> None:
    made = plan(OPTIONS)

    assert made.companions == ()
    assert made.files == {}
    assert made.container.labels["ai.ramalama.api"] == ""


def test_the_former_and_the_new_name_are_one() -> None:
    assert ServeOptions(model=MODEL, api="ogx").api is ApiName.LLAMA_STACK
    with pytest.raises(OptionRefused, match="one of none, llama-stack, ogx"):
        ServeOptions(model=MODEL, api="langchain")  # type: ignore[arg-type]  # a text
