"""`--runtime vllm` with vLLM itself, on the CPU: what the stand-in of test_vllm.py cannot prove.

The options mean to vLLM what we take them to mean, and our sandbox leaves it what it needs.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import openai
import pytest

from tests.integration.cli import Cli, finish, user_of
from tests.integration.test_embeddings import PARAPHRASE, cosine
from tests.integration.test_rag_embedded import DOCUMENTS, SEARCH
from tests.integration.test_serve import free_port
from tests.lab import assets, vllm_cpu

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


@pytest.fixture
def embedder(service: EngineService, lab: Path) -> Path:
    """all-MiniLM-L6-v2 in safetensors."""
    assert service.url  # it has the image
    copy = lab / "minilm"
    if not copy.exists():
        shutil.copytree(assets.embedder_directory(), copy)
    return copy


def test_embeddings_are_served_to_the_client_of_openai(cli: Cli, embedder: Path) -> None:
    port, key = free_port(), "open-sesame"
    words = ("serve", "-d", "--embeddings", f"--port={port}", f"--api-key={key}", *VLLM[:2])
    with cli.start(*words, str(embedder)) as process:
        served = finish(process, patience=PATIENCE)
    assert served.code == 0, served.err

    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key) as client:
        (model,) = client.models.list().data
        answer = client.embeddings.create(model=model.id, input=[*PARAPHRASE, "", "word " * 254])
        with pytest.raises(openai.BadRequestError, match="256 tokens"):
            client.embeddings.create(model=model.id, input="word " * 255)
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(
                model=model.id, messages=[{"role": "user", "content": "hello"}]
            )
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="wrong").models.list()
    stopped = cli.run("stop", served.out.strip())

    vectors = [each.embedding for each in answer.data]
    assert model.id == "minilm"
    assert [len(vector) for vector in vectors] == [384] * 5
    assert [math.hypot(*vector) for vector in vectors] == [pytest.approx(1, abs=1e-3)] * 5
    assert cosine(vectors[0], vectors[1]) > 0.4
    assert cosine(vectors[0], vectors[2]) < 0.2
    assert (stopped.code, cli.containers()) == (0, [])


def test_documents_are_indexed_and_found_with_its_embeddings(cli: Cli, embedder: Path) -> None:
    docs, path = cli.home / "docs", cli.home / "docs.db"
    docs.mkdir()
    for name, text in DOCUMENTS.items():
        (docs / name).write_text(text)
    env = {"RAMALAMA_RUNTIME": "vllm", "RAMALAMA_IMAGE": vllm_cpu.IMAGE}

    words = ("rag", f"--embedding-model={embedder}", str(docs), str(path))
    with cli.start(*words, env=env) as process:
        made = finish(process, patience=PATIENCE)
    told = json.loads(cli.run("rag", "info", "--json", str(path)).out)
    questions = ("boat moored at the port", "a poem about a mountain")
    found = subprocess.run(
        [*cli.command()[:-1], sys.executable, "-c", SEARCH, str(embedder), str(path), *questions],
        env={**cli.env, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    cli.run("stop", "--all")

    assert (made.code, made.out) == (0, f"{path}\n"), made.err
    assert (told["embedding_model"]["dimension"], told["without_vector"]) == (384, 0)
    assert (found.stdout, found.stderr) == ("['ships.md']\n[]\n", "")
    assert cli.containers() == []
