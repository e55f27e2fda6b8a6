"""`ramalama run REFERENCE`: from every kind of place to an answer."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.doubles.server import FileServer
from tests.integration import model_hosts
from tests.integration.cli import ENDLESS, SMALL, Cli, Done, saying
from tests.integration.made_models import make_adapter, make_projector, split

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.integration.model_hosts import Hosted
    from tests.lab.registry import Registry

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

# What the author has chosen besides stays as it is.
ON_AND_ON = "--runtime-args=--ignore-eos"

on_podman = pytest.mark.parametrize("cli", ["podman"], indirect=True)


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer() as running_server:
        yield running_server


@pytest.fixture(scope="module")
def weights(model: Path) -> bytes:
    return model.read_bytes()


def ask(cli: Cli, hosted: Hosted, *options: str) -> Done:
    words = (*SMALL, *hosted.options, *options, *saying("The sea is blue."), hosted.reference)
    return cli.run("run", "-q", *words, "Which colour?", env=dict(hosted.env))


@contextmanager
def talking(cli: Cli, hosted: Hosted, *options: str) -> Generator[dict[str, Any]]:
    """Ask, and while the answer comes, lend what the server says of itself."""
    words = (*options, "--env=LLAMA_SERVER_SLOTS_DEBUG=1", hosted.reference, "What is it?")
    with cli.start("run", "-q", *words, env=dict(hosted.env)) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        with cli.server() as client:
            yield {
                path: client.get(f"/{path}").raise_for_status().json()
                for path in ("props", "slots", "lora-adapters")
            }


FROM_SERVERS: dict[str, Callable[[FileServer, bytes], Hosted]] = {
    "Hugging Face": lambda server, weights: model_hosts.at_hugging_face(
        server, {"README.md": b"# SmolLM2", "smollm2-Q4_1.gguf": weights}
    ),
    "ModelScope": lambda server, weights: model_hosts.at_modelscope(
        server, {"README.md": b"# SmolLM2", "smollm2-Q4_1.gguf": weights}
    ),
    "a web server": model_hosts.at_web_server,
    "Hugging Face, in three parts": lambda server, weights: model_hosts.at_hugging_face(
        server,
        {
            f"smollm2-Q4_1-{number:05}-of-00003.gguf": part
            for number, part in enumerate(split(weights, 3), start=1)
        },
    ),
}
FROM_REGISTRIES: dict[str, Callable[[Registry, bytes], Hosted]] = {
    "Ollama": lambda registry, weights: model_hosts.at_ollama(registry, {"model": weights}),
    "a ModelPack": model_hosts.as_artifact,
    "a raw image": model_hosts.as_raw_image,
    "Docker Model Runner": model_hosts.for_docker_model_runner,
}


@pytest.mark.parametrize("host", FROM_SERVERS.values(), ids=FROM_SERVERS)
@on_podman
def test_a_model_of_a_hub_is_pulled_and_answers_and_then_needs_no_hub(
    cli: Cli, weights: bytes, host: Callable[[FileServer, bytes], Hosted]
) -> None:
    with FileServer() as server:
        hosted = host(server, weights)
        first = ask(cli, hosted)
    second = ask(cli, hosted)

    assert first == second == Done(code=0, out="The sea is blue.\n")


@pytest.mark.parametrize("host", FROM_REGISTRIES.values(), ids=FROM_REGISTRIES)
@on_podman
def test_a_model_of_a_registry_is_pulled_and_answers(
    cli: Cli, weights: bytes, registry: Registry, host: Callable[[Registry, bytes], Hosted]
) -> None:
    assert ask(cli, host(registry, weights)) == Done(code=0, out="The sea is blue.\n")


@pytest.mark.parametrize("cli", ["docker"], indirect=True)
def test_docker_gets_a_model_that_no_docker_could_pull(
    cli: Cli, weights: bytes, registry: Registry
) -> None:
    hosted = model_hosts.as_artifact(registry, weights)

    assert ask(cli, hosted) == Done(code=0, out="The sea is blue.\n")


@on_podman
def test_what_ollamas_author_has_chosen_arrives_at_the_server(
    cli: Cli, weights: bytes, registry: Registry
) -> None:
    hosted = model_hosts.at_ollama(
        registry,
        {
            "model": weights,
            "template": b"{{ .System }} {{ .Prompt }}",
            "system": b"You are a seal.",
            "params": b'{"stop": ["<|end|>", "###"], "temperature": 0, "num_ctx": 256}',
            "messages": b'[{"role": "user", "content": "Hi"},'
            b' {"role": "assistant", "content": "Ow"}]',
            "license": b"Apache License",
        },
    )
    with talking(cli, hosted, ON_AND_ON) as said:
        (slot,) = said["slots"]
        defaults = said["props"]["default_generation_settings"]

    assert "system\nYou are a seal.<|im_end|>" in slot["prompt"]
    assert "user\nHi<|im_end|>\n<|im_start|>assistant\nOw<|im_end|>" in slot["prompt"]
    assert slot["params"]["stop"] == ["<|end|>", "###"]
    assert slot["params"]["temperature"] == 0
    assert (slot["n_ctx"], defaults["n_ctx"]) == (256, 256)


@on_podman
def test_what_the_user_says_goes_over_what_the_author_has_chosen(
    cli: Cli, weights: bytes, registry: Registry
) -> None:
    hosted = model_hosts.at_ollama(
        registry, {"model": weights, "params": b'{"temperature": 0, "num_ctx": 256}'}
    )
    with talking(cli, hosted, ON_AND_ON, "--temp=0.5", "--ctx-size=512") as said:
        (slot,) = said["slots"]

    assert (slot["n_ctx"], slot["params"]["temperature"]) == (512, 0.5)


@on_podman
def test_ollamas_projectors_and_adapters_are_loaded(
    cli: Cli, weights: bytes, registry: Registry
) -> None:
    layers = {"model": weights, "projector": make_projector(), "adapter": make_adapter()}
    with talking(cli, model_hosts.at_ollama(registry, layers), *ENDLESS) as said:
        (adapter,) = said["lora-adapters"]

    assert said["props"]["modalities"]["vision"] is True
    assert adapter["scale"] == 1.0


@on_podman
def test_a_repository_with_a_projector_serves_pictures(
    cli: Cli, weights: bytes, server: FileServer
) -> None:
    files = {"smollm2-Q4_1.gguf": weights, "mmproj-smollm2-f32.gguf": make_projector()}
    with talking(cli, model_hosts.at_hugging_face(server, files), *ENDLESS) as said:
        assert said["props"]["modalities"]["vision"] is True
