"""`--runtime vllm`, with a program in the place of vLLM that knows its options and no others.

What this proves: the command line that we write is started, in the sandbox, on both engines; the
socket answers; the key comes out of its file. What it does not: that vLLM understands the same by
these options, and that it needs no more of the container than the stand-in.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from ramalama_engines import EngineKind
from ramalama_engines.discovery.connection import open_engine
from tests.integration.cli import ROOTFUL, Cli, eventually, user_of
from tests.integration.served import Served
from tests.lab import assets

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.lab.service import EngineService

pytestmark = pytest.mark.engines

RECIPE = Path(__file__).parents[1] / "lab/vllm_stand_in"
IMAGE = "localhost/vllm-stand-in:1"
VLLM = ("--runtime=vllm", f"--image={IMAGE}", "--max-model-len=256", "--temp=0")


@pytest.fixture(scope="module", params=ROOTFUL)
def service(request: pytest.FixtureRequest) -> EngineService:
    """Each engine in turn, with the image of the stand-in."""
    found: EngineService = request.getfixturevalue(f"{request.param}_service")
    with open_engine(EngineKind(found.kind), found.url) as engine:
        engine.build(RECIPE, tag=IMAGE, build_args={"BASE": assets.IMAGE})
    return found


@pytest.fixture
def cli(service: EngineService, lab: Path) -> Generator[Cli]:
    """Somebody who uses that engine."""
    with user_of(service, lab) as user:
        yield user


@pytest.fixture(scope="module")
def directory(lab: Path, model: Path) -> Path:
    """A safetensors model as far as we look at one; the stand-in's weights lie beside its own."""
    made = lab / "SmolLM2-135M.safe"
    made.mkdir()
    (made / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (made / "generation_config.json").write_text('{"temperature": 0.25, "top_k": 7}')
    (made / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    shutil.copyfile(model, made / "stand-in.gguf")
    for path in made.iterdir():
        path.chmod(0o644)
    return made


def test_a_directory_of_safetensors_answers_without_a_network(cli: Cli, directory: Path) -> None:
    done = cli.run("run", *VLLM, "--max-tokens=8", str(directory), "What is the capital of France?")

    limit = "the answer is cut off after 8 tokens; --max-tokens raises the limit"
    assert (done.code, done.err) in [(0, ""), (0, f"Notice: {limit}\n")]
    assert done.out.strip()


def test_the_server_is_told_what_was_asked_for(cli: Cli, directory: Path) -> None:
    options = ("--seed=42", "-t", "2", *VLLM[:-1])
    with cli.prompt_loop(*options, str(directory)) as terminal:
        container = cli.container_of(terminal.pid)
        assert container is not None
        served = Served(cli=cli, terminal=terminal, container=container)

        with cli.server() as client:
            settings = client.get("/props").json()["default_generation_settings"]
            (model,) = client.get("/v1/models").json()["data"]
        assert container["Config"]["Labels"]["ai.ramalama.runtime"] == "vllm"
        assert (settings["n_ctx"], settings["params"]["seed"]) == (256, 42)
        assert settings["params"]["temperature"] == pytest.approx(0.25)
        assert model["id"] == "SmolLM2-135M.safe"
        assert served.env["OMP_NUM_THREADS"] == "2"
        assert container["HostConfig"]["ReadonlyRootfs"] is True


def test_on_a_port_the_key_comes_out_of_its_file(cli: Cli, directory: Path) -> None:
    with cli.prompt_loop("--network=bridge", *VLLM, str(directory)) as terminal:
        container = cli.container_of(terminal.pid)
        assert container is not None
        ((binding,),) = container["NetworkSettings"]["Ports"].values()
        address = f"http://127.0.0.1:{binding['HostPort']}/v1/models"
        (file,) = eventually(lambda: [*cli.run_dir.glob("*/api-key")])
        key = file.read_text().strip()

        answers = [
            httpx2.get(address, headers={"Authorization": f"Bearer {word}"}).status_code
            for word in ("none", key)
        ]

        assert answers == [401, 200]
        assert key not in json.dumps(container)
        served = Served(cli=cli, terminal=terminal, container=container)
        assert key not in " ".join(served.argv)


def test_a_draft_is_told_to_the_server_as_a_directory_of_its_own(
    cli: Cli, directory: Path, tmp_path: Path
) -> None:
    draft = tmp_path / "draft"
    shutil.copytree(directory, draft)
    with cli.prompt_loop(f"--model-draft={draft}", *VLLM, str(directory)) as terminal:
        container = cli.container_of(terminal.pid)
        assert container is not None
        served = Served(cli=cli, terminal=terminal, container=container)

        # What the stand-in makes of `--speculative-config`.
        words = served.argv
        assert words[words.index("--model-draft") + 1] == "/mnt/extras/draft/stand-in.gguf"
        assert "ro" in served.mount_options("/mnt/extras/draft")


def test_an_image_without_the_program_is_named(cli: Cli, directory: Path) -> None:
    done = cli.run("run", *VLLM, f"--image={assets.IMAGE}", str(directory), "why?")

    assert done.code != 0
    assert "vllm" in done.complaint
    assert assets.IMAGE in done.complaint


def test_an_argument_that_the_server_does_not_know_is_named(cli: Cli, directory: Path) -> None:
    done = cli.run("run", *VLLM, "--runtime-args=--banana", str(directory), "why?")

    assert done.code != 0
    assert "it does not know the argument --banana" in done.err


def test_llama_cpp_refuses_the_same_model_before_anything_is_done(
    cli: Cli, directory: Path
) -> None:
    done = cli.run("run", str(directory), "why?")

    assert done.code == 22
    assert "use --runtime vllm" in done.complaint
