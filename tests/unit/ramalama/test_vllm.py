"""vLLM's command line, and the last words in its log."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ModelUnsupported
from ramalama.runtimes.base import Listen, MountedModel, Surroundings
from ramalama.runtimes.vllm import Vllm
from ramalama_accel import AcceleratorKind
from ramalama_engines import LocalImage
from tests.unit.ramalama.made_up import OPTIONS, STORED

if TYPE_CHECKING:
    from ramalama.options import ServeOptions
    from ramalama.store.models import StoredModel

CPU, CUDA = AcceleratorKind.CPU, AcceleratorKind.CUDA
MODEL = MountedModel(weights="/mnt/models", alias="org/granite")
HERE = Surroundings(
    listen=Listen(host="/run/ramalama/api.sock"), threads=4, kind=CPU, image=LocalImage(id="1")
)
ON_PORT = Listen(host="0.0.0.0", port=8080, api_key_file="/run/ramalama/api-key")  # noqa: S104 (in a container)

ORDINARY = (
    "serve /mnt/models --served-model-name=org/granite --uds /run/ramalama/api.sock "
    '--max-model-len 2048 --override-generation-config {"temperature": 0.8} --enforce-eager'
)


def argv(
    options: ServeOptions = OPTIONS, surroundings: Surroundings = HERE, model: MountedModel = MODEL
) -> str:
    return " ".join(Vllm().server(model, options, surroundings).argv)


def sampling(parameters: dict[str, object], options: ServeOptions = OPTIONS) -> dict[str, object]:
    words = Vllm().server(replace(MODEL, parameters=parameters), options, HERE).argv
    found: dict[str, object] = json.loads(words[words.index("--override-generation-config") + 1])
    return found


def test_without_options_the_manual_pages_defaults_are_passed() -> None:
    assert argv() == ORDINARY


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ctx_size": 8192}, "--max-model-len 8192"),
        ({"temp": 0.0}, '{"temperature": 0.0}'),
        ({"seed": 0}, "--seed 0"),
        ({"parallel": 1}, "--max-num-seqs 1"),
    ],
)
def test_each_option_is_passed_on(options: dict[str, object], words: str) -> None:
    asked = replace(OPTIONS, **options)  # type: ignore[arg-type]  # each row names its fields

    assert f" {words} " in argv(asked)


@pytest.mark.parametrize(
    ("options", "absent"),
    [
        ({}, "--seed"),
        ({"seed": -1}, "--seed"),
        ({"ctx_size": 0}, "--max-model-len"),
        ({"ngl": 33}, "33"),
        ({}, "--max-num-seqs"),
        ({}, "--port"),
        ({}, "--tensor-parallel-size"),
        ({}, "--chat-template"),
    ],
)
def test_what_the_server_decides_by_itself_is_not_passed(
    options: dict[str, object], absent: str
) -> None:
    asked = replace(OPTIONS, **options)  # type: ignore[arg-type]  # each row names its fields

    assert absent not in argv(asked)


def test_arguments_of_the_users_own_come_last_and_win() -> None:
    asked = replace(OPTIONS, runtime_args=("--max-model-len", "512"))

    assert argv(asked) == f"{ORDINARY} --max-model-len 512"


def test_a_name_like_an_option_is_none() -> None:
    assert " --served-model-name=--help --uds " in argv(model=replace(MODEL, alias="--help"))


def test_a_template_of_the_authors_is_used() -> None:
    model = replace(MODEL, chat_template="/mnt/extras/chat_template.jinja")

    assert " --chat-template /mnt/extras/chat_template.jinja " in argv(model=model)


@pytest.mark.parametrize(
    ("kind", "gpus", "words"),
    [
        (CUDA, 1, ""),
        (CUDA, 4, "--tensor-parallel-size 4"),
        (AcceleratorKind.HIP, 2, "--tensor-parallel-size 2"),
        (AcceleratorKind.INTEL, 2, "--tensor-parallel-size 2"),
        (AcceleratorKind.VULKAN, 2, "--enforce-eager"),
        (CPU, 0, "--enforce-eager"),
    ],
)
def test_all_gpus_that_it_has_images_for_share_the_model(
    kind: AcceleratorKind, gpus: int, words: str
) -> None:
    common = ORDINARY.removesuffix(" --enforce-eager")

    written = argv(surroundings=replace(HERE, kind=kind, gpus=gpus))

    assert written == f"{common} {words}".rstrip()


@pytest.mark.parametrize(("kind", "wanted"), [(CPU, False), (CUDA, True)])
def test_a_gpu_is_missed_only_where_there_is_one(kind: AcceleratorKind, *, wanted: bool) -> None:
    assert Vllm().server(MODEL, OPTIONS, replace(HERE, kind=kind)).wants_gpu is wanted


def test_on_the_cpu_it_takes_as_many_threads_as_it_is_given() -> None:
    on_cpu = Vllm().server(MODEL, OPTIONS, HERE).env
    on_gpu = Vllm().server(MODEL, OPTIONS, replace(HERE, kind=CUDA)).env

    assert on_cpu == on_gpu | {"OMP_NUM_THREADS": "4", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}


def test_it_asks_nobody_for_the_model_and_tells_nobody_of_its_use() -> None:
    env = Vllm().server(MODEL, OPTIONS, HERE).env

    assert (env["HF_HUB_OFFLINE"], env["VLLM_NO_USAGE_STATS"]) == ("1", "1")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {"temperature": 0.8}),
        ({"temperature": 0.2, "top_k": 40}, {"temperature": 0.2, "top_k": 40}),
        ({"top_p": 0.9, "min_p": 0.1}, {"temperature": 0.8, "top_p": 0.9, "min_p": 0.1}),
        ({"repeat_penalty": 1.1}, {"temperature": 0.8, "repetition_penalty": 1.1}),
        ({"presence_penalty": -1}, {"temperature": 0.8, "presence_penalty": -1}),
        ({"frequency_penalty": 2}, {"temperature": 0.8, "frequency_penalty": 2}),
        ({"mirostat": 2, "stop": ("a",), "num_ctx": 4096}, {"temperature": 0.8}),
    ],
)
def test_it_samples_as_its_author_wanted(
    parameters: dict[str, object], expected: dict[str, object]
) -> None:
    assert sampling(parameters) == expected


@pytest.mark.parametrize(
    "parameters",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"temperature": "hot"},
        {"top_k": 40.5},
        {"top_k": -3},
        {"top_k": True},
        {"top_p": 0},
        {"top_p": 1.1},
        {"top_p": "0.9"},
        {"min_p": float("inf")},
        {"repeat_penalty": 0},
        {"presence_penalty": 2.1},
        {"frequency_penalty": [1]},
    ],
)
def test_values_that_every_request_would_be_refused_for_are_none(
    parameters: dict[str, object],
) -> None:
    assert sampling(parameters) == {"temperature": 0.8}


def test_the_users_temperature_goes_before_the_authors() -> None:
    assert sampling({"temperature": 0.2}, replace(OPTIONS, temp=0.5)) == {"temperature": 0.5}


def test_the_authors_context_is_taken_where_the_user_says_nothing() -> None:
    model = replace(MODEL, parameters={"num_ctx": 4096})

    assert " --max-model-len 4096 " in argv(model=model)
    assert " --max-model-len 512 " in argv(replace(OPTIONS, ctx_size=512), model=model)


@pytest.mark.parametrize(
    ("image", "program"),
    [
        (None, "vllm"),
        (LocalImage(id="1"), "vllm"),
        (LocalImage(id="1", entrypoint=("vllm", "serve")), "vllm"),
        (LocalImage(id="1", entrypoint=("/opt/venv/bin/vllm", "serve")), "/opt/venv/bin/vllm"),
        (LocalImage(id="1", entrypoint=("python3", "-m", "vllm.entrypoints")), "vllm"),
        (LocalImage(id="1", entrypoint=("",)), "vllm"),
    ],
)
def test_the_right_program_starts_whatever_the_image_would_start(
    image: LocalImage | None, program: str
) -> None:
    assert Vllm().server(MODEL, OPTIONS, replace(HERE, image=image)).entrypoint == (program,)


def with_key(key_file: Path) -> tuple[str, ...]:
    """Return how a server would start that asks for a key; `env` stands for the program."""
    listen = replace(ON_PORT, api_key_file=str(key_file))
    server = Vllm().server(MODEL, OPTIONS, replace(HERE, listen=listen))
    assert server.entrypoint is not None
    assert server.argv[:5] == (*ORDINARY.split()[:3], "--host", "0.0.0.0")  # noqa: S104 (see above)
    return (*server.entrypoint[:-1], "env")


def test_a_server_on_a_port_finds_its_key_in_its_own_environment(tmp_path: Path) -> None:
    file = tmp_path / "api key"
    file.write_text("s3cret\n")

    words = with_key(file)

    assert "VLLM_API_KEY=s3cret\n" in subprocess.check_output(words, text=True)
    assert "s3cret" not in " ".join(words)


@pytest.mark.parametrize("content", [None, "", "\n"], ids=["missing", "empty", "blank"])
def test_without_a_key_no_server_starts_that_should_ask_for_it(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "api-key"
    if content is not None:
        file.write_text(content)

    done = subprocess.run(with_key(file), capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert done.stdout == ""


GGUF = Path("/models/x.gguf")


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (replace(STORED, adapters=(GGUF,)), "adapters"),
        (replace(STORED, projectors=(GGUF,)), "a projector"),
        (replace(STORED, weights=(GGUF, GGUF)), "weights in several files"),
    ],
)
def test_what_it_cannot_load_is_refused(model: StoredModel, what: str) -> None:
    with pytest.raises(ModelUnsupported, match=f"has {what} in GGUF, .* use llama.cpp"):
        Vllm().check(model)


@pytest.mark.parametrize(
    "model",
    [STORED, replace(STORED, weights=(GGUF, GGUF), directory=Path("/models"))],
    ids=["one GGUF file", "a directory"],
)
def test_what_it_may_load_is_not(model: StoredModel) -> None:
    Vllm().check(model)
