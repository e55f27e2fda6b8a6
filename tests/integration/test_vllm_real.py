"""`--runtime vllm` with vLLM itself, on the CPU: what the stand-in of test_vllm.py cannot prove.

The options mean to vLLM what we take them to mean, and our sandbox leaves it what it needs.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.cli import Cli, user_of
from tests.lab import llama_stack, vllm_cpu

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.service import EngineService

# To make image and model takes minutes, once.
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(3600)]

# Seconds; it starts in one or two minutes, on two cores.
PATIENCE: Final = 600.0

# In half precision this small model is nearly undecided between words.
VLLM: Final = (
    "--runtime=vllm",
    f"--image={vllm_cpu.IMAGE}",
    "--max-model-len=256",
    "--temp=0",
    "--runtime-args=--dtype=float32",
)


@pytest.fixture(scope="module")
def service(podman_service: EngineService) -> EngineService:
    """A Podman that has the image."""
    vllm_cpu.ensure_image(podman_service)
    return podman_service


@pytest.fixture(scope="module")
def directory(service: EngineService) -> Path:
    """SmolLM2 in safetensors."""
    return vllm_cpu.model(service)


@pytest.fixture
def cli(service: EngineService, lab: Path) -> Generator[Cli]:
    """Somebody who uses it."""
    with user_of(service, lab) as user:
        yield user


@pytest.mark.parametrize("network", ["none", "bridge"])
def test_a_directory_of_safetensors_answers(cli: Cli, directory: Path, network: str) -> None:
    words = ("run", f"--network={network}", *VLLM, str(directory), "What is the capital of France?")
    with cli.start(*words) as process:
        out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0, err
    assert "Paris" in out


def test_the_models_own_context_is_taken_as_far_as_it_fits(cli: Cli, directory: Path) -> None:
    words = ("run", *VLLM, "--ctx-size=0", str(directory), "What is the capital of France?")
    with cli.start(*words) as process:
        out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0, err
    assert "Paris" in out


def test_a_context_that_needs_more_cache_than_usual_is_given_it(
    cli: Cli, directory: Path, lab: Path
) -> None:
    longer = lab / "longer"
    shutil.copytree(directory, longer, copy_function=os.link)
    config = json.loads((longer / "config.json").read_text())
    (longer / "config.json").unlink()  # it is the other's, too
    (longer / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 100_000}))
    words = ("run", *VLLM[:2], "--ctx-size=100000", str(longer), "What is the capital of France?")
    with cli.start(*words) as process:
        _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0, err


def test_a_stack_before_it_answers_and_has_vector_stores(
    cli: Cli, directory: Path, embedder: Path
) -> None:
    llama_stack.ensure_image(cli.service)
    words = ("serve", "-d", "--api=ogx", *VLLM, "--name=stacked", str(directory))
    with cli.start(*words, env={"RAMALAMA_EMBEDDING_MODEL": str(embedder)}) as process:
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err

    with cli.server() as client:
        question = {"role": "user", "content": "What is the capital of France?"}
        body = {"model": directory.name, "messages": [question], "max_tokens": 16}
        answer = client.post("/v1/chat/completions", json=body, timeout=PATIENCE).json()
        store = client.post("/v1/vector_stores", json={"name": "mine"}).json()
    cli.run("stop", "stacked")

    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert store["metadata"]["embedding_dimension"] == "384"
