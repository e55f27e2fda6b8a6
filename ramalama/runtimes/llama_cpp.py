"""Run llama.cpp's `llama-server`; the options are those of build 11669, all of them years old."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ramalama.config.defaults import AUTOMATIC_LAYERS
from ramalama.errors import ModelUnsupported
from ramalama.models.options import ModelFormat
from ramalama.runtimes.base import ServerSpec, context_size, is_number, option, temperature
from ramalama_accel.runtime_name import RuntimeName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ramalama.config.options import ServeOptions
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.runtimes.base import MountedModel, ServerEnvironment, ServerReport
    from ramalama_engines.spec import LocalImage

_PROGRAM = "llama-server"

# The entrypoint of llama.cpp's own "full" images; it is in the directory of the programs.
_UPSTREAM_SCRIPT = "tools.sh"

# MiB for the states of earlier conversations, in main memory; the server's default is 8192, more
# than a small host has. `ServerSpec.working_memory` includes it. Old builds have no such cache.
_PROMPT_CACHE = 2048
_MIB = 1 << 20

# What `ModelServer.health` and `metrics` ask for; with an API key, both require it.
_ENDPOINTS = {"LLAMA_ARG_ENDPOINT_METRICS": "1", "LLAMA_ARG_ENDPOINT_SLOTS": "1"}

# For a server on a port: web pages of other hosts than this one may not read its answers, and idle
# connections, each of which takes a thread for five seconds, delay no others until there are many.
_PUBLISHED = {"LLAMA_ARG_CORS_ORIGINS": "localhost", "LLAMA_ARG_THREADS_HTTP": "256"}

# The words of old and new builds: "HTTP server is listening", "listening on http://…".
_LISTENS = r"(?:main|srv|llama_server): .*\b(?:HTTP server (?:is )?listening|listening on)\b"

_TAIL = 40  # lines; earlier lines may be about a request that was refused hours ago

# Parameters by Ollama's names, and the server's options for them.
_SAMPLING = {
    "top_k": "--top-k",
    "top_p": "--top-p",
    "min_p": "--min-p",
    "typical_p": "--typical",
    "repeat_penalty": "--repeat-penalty",
    "repeat_last_n": "--repeat-last-n",
    "presence_penalty": "--presence-penalty",
    "frequency_penalty": "--frequency-penalty",
}

# Patterns of a dead server's log, and their meaning. The first row that matches is used: the rows
# are ordered from causes to their consequences.
_CAUSES = (
    (r"unknown speculative decoding type without draft model",
     "its llama.cpp is too old for a draft model (a newer image is not)"),
    (r"error: invalid argument: (?P<it>.+)", "it does not know the argument {it}"),
    (r"error while handling argument \"?(?P<it>[^\":]+)", "it refused the value of {it}"),
    (r"unknown model architecture: '(?P<it>[^']+)'",
     "its llama.cpp does not know the architecture {it} (a newer image may)"),
    (r"insufficient memory|failed to allocate|out of memory|cudaMalloc failed",
     "there is not enough memory for the model and its context (try a smaller --ctx-size)"),
    (r"is not within the file bounds|failed to read (?:key-value pairs|tensor|magic)",
     "the model file is cut off or corrupt"),
    (r"failed to open GGUF file '.*' \((?P<it>[^)]+)\)", "it cannot open the model: {it}"),
    (r"couldn't bind HTTP server socket", "it cannot listen at its address"),
    (r"error loading model: (?P<it>.+)", "{it}"),
    (r"(?P<it>GGML_ASSERT\(.+\) failed)", "an internal check failed: {it}"),
    (r"error: (?P<it>.+)", "{it}"),
)  # fmt: skip


class LlamaCpp:
    """llama.cpp's HTTP server."""

    name = RuntimeName.LLAMA_CPP
    format = ModelFormat.GGUF

    def check(self, model: StoredModel) -> None:
        """Refuse a model that is not in GGUF format; see `Runtime.check`."""
        if model.directory is not None:
            msg = (
                f"{model.reference} is a safetensors model, but llama.cpp loads only GGUF; "
                "use --runtime vllm, or a GGUF conversion of the model"
            )
            raise ModelUnsupported(msg)

    def server(
        self, model: MountedModel, options: ServeOptions, environment: ServerEnvironment
    ) -> ServerSpec:
        """Return the command line; see `Runtime.server`."""
        listen = environment.listen
        argv = [
            *("--host", listen.host),
            *option("--port", listen.port),
            *option("--api-key-file", listen.api_key_file),
            *("--model", model.weights),
            *("--alias", model.alias),
            *(_embedding if options.embeddings else _generation)(options, model, environment),
            *("--threads", str(environment.threads)),
            *option("--seed", options.seed),
            *option("--n-gpu-layers", _layers(options.ngl)),
            *option("--parallel", options.parallel),
            "--no-warmup",
            *options.runtime_args,
        ]
        return ServerSpec(
            entrypoint=_entrypoint(environment.image),
            argv=tuple(argv),
            env=_variables(options, environment),
            health_path="/health",
            wants_gpu=environment.gpu and options.ngl != 0,
        )

    def explain(self, log: Sequence[str]) -> str | None:
        """Find the reason for the server's end in the log; see `Runtime.explain`."""
        tail = log[-_TAIL:]
        for pattern, meaning in _CAUSES:
            for line in tail:
                if match := re.search(pattern, line):
                    return meaning.format(**match.groupdict())
        return None

    def listens(self, log: Sequence[str]) -> bool:
        """Find the line of a server that listens; see `Runtime.listens`."""
        return any(re.search(_LISTENS, line) for line in log)

    def report(self, log: Sequence[str]) -> ServerReport:
        """Find the device, its layers and the context; see `Runtime.report`."""
        from ramalama.runtimes.llama_cpp_log import (  # noqa: PLC0415 (few starts need it)
            read_report,
        )

        return read_report(log)


def _variables(options: ServeOptions, environment: ServerEnvironment) -> Mapping[str, str]:
    """Return the settings that old builds do not know as options."""
    # To fit layers into device memory, the server reads the model twice, which is useless without a
    # device. With a device, the log must show whether it is used: see `llama_cpp_log`.
    by_device = {"LLAMA_ARG_LOG_VERBOSITY": "4"} if environment.gpu else {"LLAMA_ARG_FIT": "off"}
    by_port = {} if environment.listen.port is None else _PUBLISHED
    cache = {"LLAMA_ARG_CACHE_RAM": str(_prompt_cache(options))}
    return {**cache, **_ENDPOINTS, **by_device, **by_port}


def _generation(
    options: ServeOptions, model: MountedModel, environment: ServerEnvironment
) -> Iterator[str]:
    """Yield the options of a server that answers."""
    yield from (word for path in model.projectors for word in ("--mmproj", path))
    yield from _adapters(model)
    yield from _speculation(model.draft)
    yield from option("--chat-template-file", model.chat_template)
    yield from _template(model.template_name)
    yield from option("--ctx-size", _context(options, model, environment))
    yield from ("--temp", str(temperature(options, model)))
    yield from _sampling(model.parameters)


def _embedding(
    options: ServeOptions, model: MountedModel, _environment: ServerEnvironment
) -> Iterator[str]:
    """Yield the options of a server that turns texts into vectors."""
    yield from _adapters(model)
    yield "--embeddings"
    limits = model.embedding
    if limits is None:
        yield from ("--ctx-size", str(context_size(options, model.parameters)))
        return
    yield from option("--pooling", limits.pooling)
    # Slots whose number is given divide the context; otherwise they share it.
    yield from ("--ctx-size", str(limits.text * (options.parallel or 1)))
    if limits.whole:
        # A text that is longer than the physical batch is refused, and all others of its request.
        yield from ("--batch-size", str(limits.text), "--ubatch-size", str(limits.text))


def _adapters(model: MountedModel) -> Iterator[str]:
    for path in model.adapters:
        yield from ("--lora", path)


def _prompt_cache(options: ServeOptions) -> int:
    """Return the size of the cache in MiB: at most a quarter of the memory that the user allows."""
    if options.embeddings:
        return 0
    return min(_PROMPT_CACHE, options.memory // 4 // _MIB) if options.memory else _PROMPT_CACHE


def _template(name: str | None) -> tuple[str, ...]:
    # With Jinja, the name itself would be parsed as a template.
    return () if name is None else ("--no-jinja", "--chat-template", name)


def _speculation(draft: str | None) -> tuple[str, ...]:
    # Since about build 9200, a draft model is not used unless the type of its use is named, too.
    return () if draft is None else ("--model-draft", draft, "--spec-type", "draft-simple")


def _context(
    options: ServeOptions, model: MountedModel, environment: ServerEnvironment
) -> int | None:
    if options.ctx_size == 0 and environment.gpu and options.ngl == AUTOMATIC_LAYERS:
        return None  # by default, the server uses as much as fits beside the layers
    return context_size(options, model.parameters)


def _sampling(parameters: Mapping[str, object]) -> Iterator[str]:
    """Yield the options for the author's other parameters; only numbers are used."""
    for name, flag in _SAMPLING.items():
        value = parameters.get(name)
        if is_number(value):
            yield flag
            yield str(value)


def _layers(ngl: int) -> int | None:
    # By default, the server offloads as many layers as fit.
    return None if ngl == AUTOMATIC_LAYERS else ngl


def _entrypoint(image: LocalImage | None) -> tuple[str, ...]:
    """Return the program to run, independent of what the image runs by default."""
    program = PurePosixPath(image.entrypoint[0]) if image and image.entrypoint else None
    if program is not None and program.name == _PROGRAM:
        return (str(program),)
    if program is not None and program.name == _UPSTREAM_SCRIPT:
        return (str(program.with_name(_PROGRAM)),)
    return (_PROGRAM,)
