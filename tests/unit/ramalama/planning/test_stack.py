"""`--api llama-stack`: a second container, in the network of the model server's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from ramalama.config.api_name import ApiName
from ramalama.config.options import ServeOptions
from ramalama.errors import OptionRefused
from ramalama.planning.labels import CONFIG_NAME
from ramalama.planning.plan import LaunchPlan, make_plan
from ramalama.planning.stack import stack_config
from ramalama_accel import Accelerator, AcceleratorKind
from ramalama_accel.runtime_name import RuntimeName
from ramalama_chat import TcpEndpoint, UnixEndpoint
from ramalama_engines import BindMount, CdiDevice, LocalImage, PortBinding, TmpfsMount
from tests.unit.ramalama.made_up import HERE, INPUTS, MODEL, OPTIONS

STACK = replace(OPTIONS, api=ApiName.LLAMA_STACK)
BRIDGE = replace(STACK, network="bridge")
NAME = "quay.io/ramalama/llama-stack:0.25"
DIRECTORY = "/run/user/1000/ramalama/0123abcd-42-4711-00ff"
TMP = "/tmp"  # noqa: S108 (the container's own)


def plan(options: ServeOptions = STACK, *, rootless: bool = False) -> LaunchPlan:
    inputs = replace(INPUTS, options=options, stack_name=NAME, stack=LocalImage(id="sha256:2"))
    return make_plan(inputs, replace(HERE, rootless=rootless))


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
    assert labels == {**made.container.labels, "ai.ramalama.companion": "llama-stack"}


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


def test_by_default_there_is_no_stack() -> None:
    made = plan(OPTIONS)

    assert made.companions == ()
    assert made.files == {}
    assert made.container.labels["ai.ramalama.api"] == ""


def test_the_former_and_the_new_name_are_one() -> None:
    assert ServeOptions(model=MODEL, api="ogx").api is ApiName.LLAMA_STACK
    with pytest.raises(OptionRefused, match="one of none, llama-stack, ogx"):
        ServeOptions(model=MODEL, api="langchain")  # type: ignore[arg-type]  # a text
