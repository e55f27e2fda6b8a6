"""Run vLLM's `vllm serve`; the options are those of version 0.32, most as old as 0.6.

It reads the directory of a model in Hugging Face's layout. Since 0.24, GGUF files need a plugin
(vllm-gguf-plugin, only for GPUs), which the vendors' images may lack. That is not known before the
start, but the log of a server that has ended says it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.options import ModelFormat
from ramalama.runtimes.base import ServerSpec, context_size, is_number, option, temperature
from ramalama_accel.images import VLLM_IMAGES
from ramalama_accel.runtime_name import RuntimeName
from ramalama_accel.values import AcceleratorKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ramalama.config.options import ServeOptions
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.runtimes.base import MountedModel, ServerEnvironment, ServerReport
    from ramalama_engines.spec import LocalImage

_PROGRAM = "vllm"
_AHEAD = 5  # tokens that a draft model guesses, as in vLLM's documentation
_CACHE = 2  # GiB, allocated at start; 16384 tokens of a model like Llama 3.1 8B
_CACHE_SIZE = "VLLM_CPU_KVCACHE_SPACE"
_GIB = 1 << 30
_WORKING_MEMORY = 16 * _GIB  # PyTorch and its compilers in several processes, buffers, the cache
_AUTO_CONTEXT = "auto"  # the model's own context, or as much of it as the cache holds; since 0.14
_GPUS = frozenset(VLLM_IMAGES) - {AcceleratorKind.CPU}

# vLLM takes a key by argument or variable, which every client of the engine can read. So a shell
# reads the key from the file and then executes the server; without a key, no server starts.
_WITH_KEY = 'VLLM_API_KEY="$(cat "$0")" && test "$VLLM_API_KEY" && export VLLM_API_KEY && exec "$@"'

# Sampling parameters by Ollama's names, vLLM's names, and vLLM's bounds; vLLM would refuse every
# request if a value were out of bounds.
_SAMPLING = (
    ("top_k", "top_k", 0, 1_000_000),
    ("top_p", "top_p", 0.001, 1),
    ("min_p", "min_p", 0, 1),
    ("repeat_penalty", "repetition_penalty", 0.001, 2),
    ("presence_penalty", "presence_penalty", -2, 2),
    ("frequency_penalty", "frequency_penalty", -2, 2),
)

_EVERYWHERE = {
    "HF_HUB_OFFLINE": "1",  # the model is complete
    "USER": "ramalama",  # PyTorch needs a user name, and the image may not have this user ID
    "VLLM_NO_USAGE_STATS": "1",
}


class Vllm:
    """vLLM's HTTP server."""

    name = RuntimeName.VLLM
    format = ModelFormat.SAFETENSORS

    def check(self, model: StoredModel) -> None:
        """Refuse a model that vLLM cannot load; see `Runtime.check`."""
        what = "adapters" if model.adapters else "a projector" if model.projectors else ""
        if len(model.weights) > 1 and model.directory is None:
            what = "weights in several files"
        elif model.draft and model.directory is None:
            what = "a draft model"
        if what:
            msg = f"{model.reference} has {what} in GGUF, which vLLM cannot load"
            raise ModelUnsupported(msg, hint="use llama.cpp")

    def server(
        self, model: MountedModel, options: ServeOptions, environment: ServerEnvironment
    ) -> ServerSpec:
        """Return the command line; see `Runtime.server`."""
        listen, gpu = environment.listen, environment.kind in _GPUS
        several = gpu and environment.gpus > 1
        seed = options.seed if options.seed is not None and options.seed >= 0 else None
        argv = [
            *("serve", model.weights),
            f"--served-model-name={model.alias}",  # the alias may begin with a dash
            *(("--uds", listen.host) if listen.port is None else ("--host", listen.host)),
            *option("--port", listen.port),
            *(_pooling(options) if options.embeddings else _generation(options, model)),
            *option("--seed", seed),
            *option("--max-num-seqs", options.parallel),
            *option("--tensor-parallel-size", environment.gpus if several else None),
            # Compiling takes minutes, and needs a compiler, for a third more speed.
            *(() if gpu else ("--enforce-eager",)),
            *options.runtime_args,
        ]
        program = _program(environment.image)
        if listen.api_key_file is None:
            entrypoint: tuple[str, ...] = (program,)
        else:
            entrypoint = ("sh", "-c", _WITH_KEY, listen.api_key_file, program)
        return ServerSpec(
            entrypoint=entrypoint,
            argv=tuple(argv),
            env=_EVERYWHERE if gpu else _EVERYWHERE | _on_cpu(environment.threads),
            health_path="/health",
            wants_gpu=gpu,
            compiles=gpu,
            shared_memory=True,
            working_memory=_WORKING_MEMORY,
        )

    def explain(self, log: Sequence[str]) -> str | None:
        """Find the reason for the server's end in the log; see `Runtime.explain`."""
        from ramalama.runtimes.vllm_log import find_cause  # noqa: PLC0415 (few servers die)

        return find_cause(log)

    def listens(self, log: Sequence[str]) -> bool:
        """Find the line of a server that listens; see `Runtime.listens`."""
        return any("Application startup complete" in line for line in log)

    def report(self, log: Sequence[str]) -> ServerReport:
        """Find the device and the context; see `Runtime.report`."""
        from ramalama.runtimes.vllm_log import read_report  # noqa: PLC0415 (few starts need it)

        return read_report(log)


def with_cache(options: ServeOptions, needed: int) -> ServeOptions:
    """Return *options* with a cache of *needed* bytes for the context, unless they set its size.

    This matters only on the CPU: on a GPU the server uses the memory that is left.
    """
    gib = -(-needed // _GIB)
    if gib <= _CACHE:
        return options
    return replace(options, env={_CACHE_SIZE: str(gib), **options.env})


def _on_cpu(threads: int) -> dict[str, str]:
    # By default, vLLM binds a thread to every core but one, even if other processes use them, and
    # does not start unless almost all of the host's memory is free.
    return {
        "OMP_NUM_THREADS": str(threads),
        _CACHE_SIZE: str(_CACHE),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }


def _generation(options: ServeOptions, model: MountedModel) -> Iterator[str]:
    """Yield the options of a server that answers."""
    context = context_size(options, model.parameters) or _AUTO_CONTEXT
    yield from option("--max-model-len", context)
    yield from option("--chat-template", model.chat_template)
    yield from option("--speculative-config", _speculation(model.draft))
    yield from ("--override-generation-config", json.dumps(_sampling(options, model)))


def _pooling(options: ServeOptions) -> Iterator[str]:
    """Yield the options of a server that turns texts into vectors; since version 0.10."""
    yield from ("--runner", "pooling")
    # Without it, the server takes the longest text that the model was trained with.
    yield from option("--max-model-len", options.ctx_size or None)


def _speculation(draft: str | None) -> str | None:
    if draft is None:
        return None
    guesses = {"method": "draft_model", "model": draft, "num_speculative_tokens": _AHEAD}
    return json.dumps(guesses)


def _sampling(options: ServeOptions, model: MountedModel) -> dict[str, float]:
    return {"temperature": temperature(options, model), **dict(_of_author(model.parameters))}


def _of_author(parameters: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    """Yield the author's other sampling parameters, if their values are valid."""
    for theirs, ours, least, most in _SAMPLING:
        value = parameters.get(theirs)
        whole = theirs != "top_k" or isinstance(value, int)
        if is_number(value) and whole and least <= value <= most:
            yield ours, value


def _program(image: LocalImage | None) -> str:
    """Return the program to run, independent of what the image runs by default."""
    program = PurePosixPath(image.entrypoint[0]) if image and image.entrypoint else None
    return str(program) if program is not None and program.name == _PROGRAM else _PROGRAM
