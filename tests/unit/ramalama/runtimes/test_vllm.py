"""vLLM's command line, and the last words in its log."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ModelUnsupported
from ramalama.runtimes.base import ListenAddress, MountedModel, ServerEnvironment, ServerReport
from ramalama.runtimes.vllm import Vllm
from ramalama_accel import AcceleratorKind
from ramalama_engines import LocalImage
from tests.unit.ramalama.made_up import OPTIONS, STORED

if TYPE_CHECKING:
    from ramalama.config.options import ServeOptions
    from ramalama.models.store.stored_model import StoredModel

CPU, CUDA = AcceleratorKind.CPU, AcceleratorKind.CUDA
MODEL = MountedModel(weights="/mnt/models", alias="org/granite")
HERE = ServerEnvironment(
    listen=ListenAddress(host="/run/ramalama/api.sock"),
    threads=4,
    kind=CPU,
    image=LocalImage(id="1"),
)
ON_PORT = ListenAddress(host="0.0.0.0", port=8080, api_key_file="/run/ramalama/api-key")  # noqa: S104 (in a container)

ORDINARY = (
    "serve /mnt/models --served-model-name=org/granite --uds /run/ramalama/api.sock "
    '--max-model-len 2048 --override-generation-config {"temperature": 0.8} --enforce-eager'
)


def argv(
    options: ServeOptions = OPTIONS,
    environment: ServerEnvironment = HERE,
    model: MountedModel = MODEL,
) -> str:
    return " ".join(Vllm().server(model, options, environment).argv)


def sampling(parameters: dict[str, object], options: ServeOptions = OPTIONS) -> dict[str, object]:
    words = Vllm().server(replace(MODEL, parameters=parameters), options, HERE).argv
    found: dict[str, object] = json.loads(words[words.index("--override-generation-config") + 1])
    return found


def test_without_options_the_manual_pages_defaults_are_passed() -> None:
    assert argv() == ORDINARY


def test_an_embeddings_server_pools_and_takes_texts_as_long_as_the_model_does() -> None:
    asked = replace(OPTIONS, embeddings=True)
    begin = "serve /mnt/models --served-model-name=org/granite --uds /run/ramalama/api.sock"

    assert argv(asked) == f"{begin} --runner pooling --enforce-eager"
    assert argv(replace(asked, ctx_size=256)) == (
        f"{begin} --runner pooling --max-model-len 256 --enforce-eager"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ctx_size": 8192}, "--max-model-len 8192"),
        ({"ctx_size": 0}, "--max-model-len auto"),
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


def test_a_draft_model_is_told_as_one_json_object() -> None:
    words = Vllm().server(replace(MODEL, draft="/mnt/extras/draft"), OPTIONS, HERE).argv

    assert json.loads(words[words.index("--speculative-config") + 1]) == {
        "method": "draft_model",
        "model": "/mnt/extras/draft",
        "num_speculative_tokens": 5,
    }
    assert "--speculative-config" not in argv()


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

    written = argv(environment=replace(HERE, kind=kind, gpus=gpus))

    assert written == f"{common} {words}".rstrip()


@pytest.mark.parametrize(("kind", "wanted"), [(CPU, False), (CUDA, True)])
def test_a_gpu_is_missed_only_where_there_is_one(kind: AcceleratorKind, *, wanted: bool) -> None:
    assert Vllm().server(MODEL, OPTIONS, replace(HERE, kind=kind)).wants_gpu is wanted


def test_on_the_cpu_it_takes_the_threads_and_the_memory_that_it_is_given() -> None:
    on_cpu = Vllm().server(MODEL, OPTIONS, HERE).env
    on_gpu = Vllm().server(MODEL, OPTIONS, replace(HERE, kind=CUDA)).env

    assert on_cpu == {
        **on_gpu,
        "OMP_NUM_THREADS": "4",
        "VLLM_CPU_KVCACHE_SPACE": "2",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }


def test_it_uses_no_network_for_the_model_and_reports_no_usage() -> None:
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
        (replace(STORED, draft=GGUF), "a draft model"),
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


# As version 0.32 wrote them, on the CPU; of the stacks between, little is kept.
UNKNOWN_ARCHITECTURE = """\
(APIServer pid=318) WARNING 11-22 21:37:47 [system_utils.py:255] Found ulimit of 20000 and failed to automatically increase with error current limit exceeds maximum limit.
pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
  Value error, Model architectures ['BananaForCausalLM'] are not supported for now. Supported architectures: dict_keys(['AfmoeForCausalLM', 'ApertusForCausalLM'])
    For further information visit https://errors.pydantic.dev/2.14/v/value_error
"""  # noqa: E501 (as it was written)
UNKNOWN_ARGUMENT = """\
usage: vllm serve [model_tag] [options]
vllm: error: unrecognized arguments: --banana 3
"""
BAD_VALUE = """\
vllm serve: error: argument --max-model-len: invalid human_readable_int_or_auto value: 'banana'
"""
TOO_LONG = """\
pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
  Value error, User-specified max_model_len (999999) is greater than the derived max_model_len (max_position_embeddings=8192.0 or model_max_length=None in model's config.json). To allow overriding this maximum, set the env var VLLM_ALLOW_LONG_MAX_MODEL_LEN=1.
"""  # noqa: E501 (as it was written)
NO_PLUGIN = """\
(APIServer pid=7884) INFO 11-22 21:39:33 [api_utils.py:286] non-default args: {'model': '/mnt/models/smollm2.gguf', 'max_model_len': 2048}
UnicodeDecodeError: 'utf-8' codec can't decode byte 0xc3 in position 726: invalid continuation byte
    raise OSError(f"It looks like the config file at '{resolved_config_file}' is not a valid JSON file.")
OSError: It looks like the config file at '/mnt/models/smollm2.gguf' is not a valid JSON file.
"""  # noqa: E501 (as it was written)
NO_SHARED_MEMORY = """\
(EngineCore pid=23) ERROR 11-22 21:25:14 [core.py:1510] EngineCore failed to start.
(EngineCore pid=23) ERROR 11-22 21:25:14 [core.py:1510] RuntimeError: Insufficient space in /dev/shm for shared-memory allocation: 160 MiB required, 62 MiB free. Increase /dev/shm (e.g. --shm-size or --ipc=host).
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""  # noqa: E501 (as it was written)
NO_MEMORY = """\
(VllmWorker-0 pid=35) ERROR 11-22 21:33:11 [multiproc_executor.py:953]     raise ValueError(
(VllmWorker-0 pid=35) ERROR 11-22 21:33:11 [multiproc_executor.py:953] ValueError: Available memory on node 0 (21.48/23.54 GiB) on startup is less than desired CPU memory utilization (0.92, 21.66 GiB). On the CPU backend, the `--gpu-memory-utilization` flag controls the fraction of CPU memory reserved (despite its name).
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}
"""  # noqa: E501 (as it was written)
SOMETHING_ELSE = """\
(VllmWorker-0 pid=34) ERROR 11-22 21:31:19 [multiproc_executor.py:953]     raise CalledProcessError(retcode, process.args,
(VllmWorker-0 pid=34) ERROR 11-22 21:31:19 [multiproc_executor.py:953] subprocess.CalledProcessError: Command 'lscpu --json --extended=CPU,CORE,NODE --online' returned non-zero exit status 127.
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""  # noqa: E501 (as it was written)
NO_CACHE = """\
(EngineCore pid=10799) ERROR 11-22 21:40:22 [core.py:1510]     raise ValueError(
(EngineCore pid=10799) ERROR 11-22 21:40:22 [core.py:1510] ValueError: To serve at least one request with the model's max seq len (8192), (0.18 GiB KV cache is needed, which is larger than the available KV cache memory (0.01 GiB). Based on the available memory, the estimated maximum model length is 256.
"""  # noqa: E501 (as it was written)
NO_TOKENIZER = """\
    raise ValueError(
ValueError: Couldn't instantiate the backend tokenizer from one of:
"""
# As its source has them; they need a GPU.
TOO_MANY_GPUS = """\
  Value error, Total number of attention heads (9) must be divisible by tensor parallel size (2). [type=value_error]
"""  # noqa: E501 (see above)
NO_GPU = """\
RuntimeError: Failed to infer device type, please set the environment variable `VLLM_LOGGING_LEVEL=DEBUG` to turn on verbose logging to help debug the issue.
"""  # noqa: E501 (see above)
NO_FREE_GPU = """\
(EngineCore pid=23) ERROR 11-22 21:25:14 [core.py:1510] ValueError: Free memory on device cuda:0 (1.2/8.0 GiB) on startup is less than desired GPU memory utilization (0.92, 7.4 GiB).
"""  # noqa: E501 (see above)
BAD_FIELD = """\
pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
  Value error, Cannot find model module. [type=value_error, input_value=ArgsKwargs((), {'model': '/mnt/models'}), input_type=ArgsKwargs]
"""  # noqa: E501 (see above)
READY = """\
(APIServer pid=1) INFO 11-22 21:34:44 [model.py:2152] Using max model len 2048
(EngineCore pid=25) INFO 11-22 21:35:01 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: model='/mnt/models', speculative_config=None, device_config=cpu, seed=0
INFO:     Application startup complete.
"""  # noqa: E501 (as it was written)
FITTED = """\
(EngineCore pid=25) INFO 11-22 21:35:03 [kv_cache_utils.py:2477] Auto-fit max_model_len: reduced from 2048 to 1792 to fit in available KV cache memory (0.04 GiB)
"""  # noqa: E501 (as kv_cache_utils.py of version 0.32 writes it)


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (UNKNOWN_ARCHITECTURE, "it does not know the architecture BananaForCausalLM"),
        (UNKNOWN_ARGUMENT, "it does not know the argument --banana 3"),
        (BAD_VALUE, "it refused the value of --max-model-len"),
        (TOO_LONG, "the model's context is 8192 tokens at most, not 999999; see --ctx-size"),
        (NO_PLUGIN, "it has no plugin for GGUF; use --runtime llama.cpp, or "),
        (NO_SHARED_MEMORY, "there is not enough shared memory"),
        (NO_MEMORY, "there is not enough memory for the model and its context"),
        (NO_FREE_GPU, "there is not enough memory for the model and its context"),
        (NO_CACHE, "there is not enough memory for a context of that size (try a smaller"),
        (NO_TOKENIZER, "the model lacks its tokenizer"),
        (TOO_MANY_GPUS, "the model cannot be shared by 2 GPUs; name fewer"),
        (NO_GPU, "it sees no GPU (`ramalama doctor`"),
        (SOMETHING_ELSE, "subprocess.CalledProcessError: Command 'lscpu --json"),
        (BAD_FIELD, "Cannot find model module."),
    ],
)
def test_a_dead_servers_log_tells_why(log: str, cause: str) -> None:
    found = Vllm().explain(log.splitlines())

    assert found is not None
    assert found.startswith(cause)


def test_nothing_is_made_up_of_a_log_that_does_not_say() -> None:
    assert Vllm().explain(READY.splitlines()) is None
    assert Vllm().explain([]) is None


def test_an_unknown_cause_is_reported_in_reasonable_length() -> None:
    found = Vllm().explain(["RuntimeError: " + "x" * 10_000])

    assert found is not None
    assert len(found) == 300


@pytest.mark.parametrize(
    ("log", "report"),
    [
        (READY, ServerReport(device="CPU", context=2048)),
        (READY.replace("=cpu", "=cuda"), ServerReport(device="cuda", context=2048)),
        (READY + FITTED, ServerReport(device="CPU", context=1792)),
        ("", ServerReport()),
        (f"Using max model len {'9' * 5000}", ServerReport()),
    ],
    ids=["cpu", "cuda", "fitted", "nothing", "digits"],
)
def test_a_server_that_is_ready_has_said_what_it_computes_with(
    log: str, report: ServerReport
) -> None:
    assert Vllm().report(log.splitlines()) == report
