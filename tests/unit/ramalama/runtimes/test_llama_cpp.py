"""llama-server's command line, and the last words in its log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ModelUnsupported
from ramalama.runtimes.base import (
    EmbeddingLimits,
    ListenAddress,
    MountedModel,
    ServerEnvironment,
)
from ramalama.runtimes.llama_cpp import LlamaCpp
from ramalama_accel import AcceleratorKind
from ramalama_engines import LocalImage
from tests.unit.ramalama.made_up import IMAGE, OPTIONS, STORED

if TYPE_CHECKING:
    from ramalama.config.options import ServeOptions

CPU = AcceleratorKind.CPU
MODEL = MountedModel(weights="/mnt/models/granite.gguf", alias="granite")
HERE = ServerEnvironment(
    listen=ListenAddress(host="/run/ramalama/api.sock"), threads=4, kind=CPU, image=IMAGE
)

ORDINARY = (
    "--host /run/ramalama/api.sock --model /mnt/models/granite.gguf --alias granite "
    "--ctx-size 2048 --temp 0.8 --threads 4 --no-warmup"
)


def argv(options: ServeOptions = OPTIONS, environment: ServerEnvironment = HERE) -> str:
    return " ".join(LlamaCpp().server(MODEL, options, environment).argv)


def test_without_options_the_manual_pages_defaults_are_passed() -> None:
    assert argv() == ORDINARY


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ctx_size": 0}, "--ctx-size 0"),
        ({"ctx_size": 8192}, "--ctx-size 8192"),
        ({"temp": 0.0}, "--temp 0.0"),
        ({"seed": 0}, "--seed 0"),
        ({"seed": -1}, "--seed -1"),
        ({"ngl": 0}, "--n-gpu-layers 0"),
        ({"ngl": 999}, "--n-gpu-layers 999"),
        ({"parallel": 1}, "--parallel 1"),
    ],
)
def test_each_option_is_passed_on(options: dict[str, object], words: str) -> None:
    asked = replace(OPTIONS, **options)  # type: ignore[arg-type]  # each row names its fields

    assert f" {words} " in argv(asked)


@pytest.mark.parametrize(
    "absent", ["--seed", "--n-gpu-layers", "--parallel", "--port", "--api-key"]
)
def test_what_the_server_decides_by_itself_is_not_passed(absent: str) -> None:
    assert absent not in argv()


def test_a_draft_model_is_named_and_so_is_its_use() -> None:
    words = LlamaCpp().server(replace(MODEL, draft="/mnt/extras/draft.gguf"), OPTIONS, HERE).argv

    drafting = ("--model-draft", "/mnt/extras/draft.gguf", "--spec-type", "draft-simple")
    assert words[6:10] == drafting
    assert "--spec-type" not in argv()


EMBED = replace(OPTIONS, embeddings=True)


@pytest.mark.parametrize(
    ("limits", "parallel", "words"),
    [
        (None, None, "--embeddings --ctx-size 0 --threads"),
        (EmbeddingLimits(text=512), None, "--embeddings --ctx-size 512 --batch-size 512 --ubatch"),
        (EmbeddingLimits(text=512), 4, "--ctx-size 2048 --batch-size 512 --ubatch-size 512 --thr"),
        (EmbeddingLimits(text=512, pooling="mean"), None, "--pooling mean --ctx-size 512 --batch"),
        (EmbeddingLimits(text=32768, whole=False), None, "--embeddings --ctx-size 32768 --threads"),
    ],
)
def test_an_embeddings_server_has_room_for_the_longest_text(
    limits: EmbeddingLimits | None, parallel: int | None, words: str
) -> None:
    asked = replace(EMBED, parallel=parallel)
    model = replace(MODEL, draft="/mnt/extras/draft.gguf", embedding=limits)

    found = " ".join(LlamaCpp().server(model, asked, HERE).argv)

    assert f" {words}" in found
    assert "--temp" not in found
    assert "--model-draft" not in found


def test_an_embeddings_server_keeps_no_earlier_prompts() -> None:
    assert LlamaCpp().server(MODEL, EMBED, HERE).env["LLAMA_ARG_CACHE_RAM"] == "0"


def test_arguments_of_the_users_own_come_last_and_win() -> None:
    asked = replace(OPTIONS, runtime_args=("--ctx-size", "512", "--jinja"))

    assert argv(asked) == f"{ORDINARY} --ctx-size 512 --jinja"


def test_a_server_on_a_port_is_given_the_file_of_its_key() -> None:
    listen = ListenAddress(host="0.0.0.0", port=8080, api_key_file="/run/ramalama/api-key")  # noqa: S104 (in a container)

    words = argv(environment=replace(HERE, listen=listen))

    assert words.startswith("--host 0.0.0.0 --port 8080 --api-key-file /run/ramalama/api-key ")


@pytest.mark.parametrize(("port", "origins"), [(None, None), (8080, "localhost")])
def test_only_on_a_port_pages_of_other_hosts_need_to_be_kept_out(
    port: int | None, origins: str | None
) -> None:
    listen = ListenAddress(host="127.0.0.1", port=port)
    env = LlamaCpp().server(MODEL, OPTIONS, replace(HERE, listen=listen)).env

    assert env.get("LLAMA_ARG_CORS_ORIGINS") == origins


@pytest.mark.parametrize(
    ("gpu", "env"),
    [(False, {"LLAMA_ARG_FIT": "off"}), (True, {"LLAMA_ARG_LOG_VERBOSITY": "4"})],
)
def test_only_where_there_is_a_device_are_layers_fitted_into_its_memory_and_reported(
    gpu: bool,  # noqa: FBT001 (a row of the table)
    env: dict[str, str],
) -> None:
    kind = AcceleratorKind.CUDA if gpu else CPU
    made = LlamaCpp().server(MODEL, OPTIONS, replace(HERE, kind=kind)).env
    about = ("LLAMA_ARG_FIT", "LLAMA_ARG_LOG_VERBOSITY")

    assert {name: value for name, value in made.items() if name in about} == env


@pytest.mark.parametrize(
    ("memory", "cache"),
    [(None, "2048"), (0, "2048"), (64 << 30, "2048"), (2 << 30, "512"), (1 << 20, "0")],
)
def test_earlier_prompts_take_a_part_of_the_memory_that_the_user_allows(
    memory: int | None, cache: str
) -> None:
    env = LlamaCpp().server(MODEL, replace(OPTIONS, memory=memory), HERE).env

    assert env["LLAMA_ARG_CACHE_RAM"] == cache


@pytest.mark.parametrize(
    ("image", "entrypoint"),
    [
        (None, "llama-server"),
        (LocalImage(id="1"), "llama-server"),
        (LocalImage(id="1", entrypoint=("llama-server",)), "llama-server"),
        (LocalImage(id="1", entrypoint=("/app/llama-server",)), "/app/llama-server"),
        (LocalImage(id="1", entrypoint=("/app/llama-server", "--flag")), "/app/llama-server"),
        (LocalImage(id="1", entrypoint=("/app/tools.sh",)), "/app/llama-server"),
        (LocalImage(id="1", entrypoint=("/bin/sh", "-c")), "llama-server"),
        (LocalImage(id="1", entrypoint=("/usr/bin/entrypoint.sh",)), "llama-server"),
        (LocalImage(id="1", entrypoint=("",)), "llama-server"),
    ],
)
def test_the_right_program_starts_whatever_the_image_would_start(
    image: LocalImage | None, entrypoint: str
) -> None:
    server = LlamaCpp().server(MODEL, OPTIONS, replace(HERE, image=image))

    assert server.entrypoint == (entrypoint,)


def test_a_safetensors_model_is_refused_with_what_serves_it() -> None:
    safetensors = replace(STORED, directory=Path("/models"))

    with pytest.raises(ModelUnsupported, match=r"loads only GGUF; use --runtime vllm"):
        LlamaCpp().check(safetensors)
    LlamaCpp().check(STORED)


# As build 11669 wrote them.
NO_FILE = """\
0.00.011.328 I srv    load_model: loading model '/nope.gguf'
0.00.011.435 E gguf_init_from_file: failed to open GGUF file '/nope.gguf' (Permission denied)
0.00.011.541 E llama_model_load: error loading model: llama_model_loader: failed to load model from /nope.gguf
0.00.011.639 I srv    operator(): operator(): cleaning up before exit...
0.00.012.009 E srv  llama_server: exiting due to model loading error
"""  # noqa: E501 (as it was written)
CUT_OFF_DATA = """\
0.00.107.028 E llama_model_load: error loading model: tensor 'blk.16.ffn_down.weight' data is not within the file bounds, model is corrupted or incomplete
0.00.111.154 E llama_model_load_from_file_impl: failed to load model
0.00.112.846 E srv  llama_server: exiting due to model loading error
"""  # noqa: E501 (as it was written)
CUT_OFF_METADATA = """\
0.00.081.994 E gguf_init_from_reader: failed to read key-value pairs
0.00.082.128 E llama_model_load: error loading model: llama_model_loader: failed to load model from /tmp/kv.gguf
0.00.082.546 E srv  llama_server: exiting due to model loading error
"""  # noqa: E501 (as it was written)
UNKNOWN_ARCHITECTURE = """\
0.00.012.644 I srv    load_model: loading model '/tmp/unknown.gguf'
0.00.029.002 E llama_model_load: error loading model: unknown model architecture: 'ilama'
0.00.029.588 E srv  llama_server: exiting due to model loading error
"""
NO_MEMORY = """\
0.00.450.136 W llama_context: n_ctx_seq (80128) > n_ctx_train (8192) -- possible training context overflow
0.00.454.725 E ggml_aligned_malloc: insufficient memory (attempted to allocate 1760.62 MB)
0.00.457.244 E llama_init_from_model: failed to initialize the context: failed to allocate buffer for kv cache
0.00.457.726 E srv  llama_server: exiting due to model loading error
"""  # noqa: E501 (as it was written)
NO_ADDRESS = """\
0.00.042.920 E srv         start: couldn't bind HTTP server socket, hostname: /tmp/u.sock, port: 9931
0.00.043.302 E srv  llama_server: exiting due to HTTP server error
"""  # noqa: E501 (as it was written)
BAD_VALUE = """\
error while handling argument "--ctx-size": stoi

usage:
-c,    --ctx-size N                     size of the prompt context (default: 0, 0 = loaded from model)
"""  # noqa: E501 (as it was written)
HEALTHY = """\
0.02.114.222 I srv    load_model: initializing, n_slots = 4, n_ctx_slot = 8192, kv_unified = 'true'
0.02.117.173 I srv  llama_server: model loaded
0.02.117.177 I srv  llama_server: listening on unix:///run/ramalama/api.sock
"""


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (NO_FILE, "it cannot open the model: Permission denied"),
        (CUT_OFF_DATA, "the model file is cut off or corrupt"),
        (CUT_OFF_METADATA, "the model file is cut off or corrupt"),
        (
            UNKNOWN_ARCHITECTURE,
            "its llama.cpp does not know the architecture ilama (a newer image may)",
        ),
        (
            NO_MEMORY,
            "there is not enough memory for the model and its context (try a smaller --ctx-size)",
        ),
        (NO_ADDRESS, "it cannot listen at its address"),
        (BAD_VALUE, "it refused the value of --ctx-size"),
        (
            "error: unknown speculative decoding type without draft model",
            "its llama.cpp is too old for a draft model (a newer image is not)",
        ),
        ("error: invalid argument: --nope", "it does not know the argument --nope"),
        (
            "0.1 E llama_model_load: error loading model: missing tensor 'output.weight'",
            "missing tensor 'output.weight'",
        ),
        (
            "ggml.c:1234: GGML_ASSERT(n_dims <= 4) failed",
            "an internal check failed: GGML_ASSERT(n_dims <= 4) failed",
        ),
        ("error: {0} {it} {braces}", "{0} {it} {braces}"),
        (HEALTHY, None),
        ("", None),
    ],
)
def test_the_cause_of_death_is_found_in_the_log(log: str, cause: str | None) -> None:
    assert LlamaCpp().explain(log.splitlines()) == cause


def with_parameters(parameters: dict[str, object], options: ServeOptions = OPTIONS) -> str:
    model = replace(MODEL, parameters=parameters)
    return " ".join(LlamaCpp().server(model, options, HERE).argv)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"num_ctx": 4096}, "--ctx-size 4096"),
        ({"temperature": 0.3}, "--temp 0.3"),
        ({"temperature": 0}, "--temp 0"),
        ({"top_k": 40}, "--top-k 40"),
        ({"top_p": 0.9}, "--top-p 0.9"),
        ({"min_p": 0.05}, "--min-p 0.05"),
        ({"repeat_penalty": 1.1}, "--repeat-penalty 1.1"),
    ],
)
def test_the_authors_defaults_are_passed_on(parameters: dict[str, object], words: str) -> None:
    assert f" {words} " in with_parameters(parameters)


def test_the_users_wishes_win_over_the_authors() -> None:
    words = with_parameters(
        {"num_ctx": 8, "temperature": 0.1}, replace(OPTIONS, ctx_size=512, temp=1.0)
    )

    assert "--ctx-size 512 --temp 1.0" in words


@pytest.mark.parametrize(
    "parameters",
    [
        {"num_ctx": "8"},
        {"num_ctx": -1},
        {"num_ctx": True},
        {"num_ctx": 10**12},
        {"temperature": "hot"},
        {"temperature": -1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_k": "--host"},
        {"top_k": True},
        {"top_p": 10**30},
        {"num_gpu": 99},
        {"stop": ("</s>",)},
        {"--host": 1},
    ],
)
def test_authors_values_that_make_no_sense_are_left_out(parameters: dict[str, object]) -> None:
    assert with_parameters(parameters) == ORDINARY


def test_with_a_gpu_the_server_fits_the_models_own_context_by_itself() -> None:
    on_gpu = replace(HERE, kind=AcceleratorKind.CUDA)

    assert "--ctx-size" not in argv(replace(OPTIONS, ctx_size=0), on_gpu)
    assert "--ctx-size 0" in argv(replace(OPTIONS, ctx_size=0, ngl=999), on_gpu)
    assert "--ctx-size 2048" in argv(OPTIONS, on_gpu)


def test_a_template_of_the_servers_own_is_asked_for_by_name() -> None:
    model = replace(MODEL, template_name="gemma")

    assert "--no-jinja --chat-template gemma" in " ".join(
        LlamaCpp().server(model, OPTIONS, HERE).argv
    )
