"""llama.cpp's `llama-server`; its options as of build 11669, all of them years old."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ramalama.options import AUTOMATIC_LAYERS, DEFAULT_CONTEXT, DEFAULT_TEMPERATURE
from ramalama.runtimes.base import ServerSpec, is_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ramalama.options import ServeOptions
    from ramalama.runtimes.base import MountedModel, ServerReport, Surroundings
    from ramalama_engines.values import LocalImage

_PROGRAM = "llama-server"

# llama.cpp's own "full" images start this script, which stands beside the programs.
_UPSTREAM_SCRIPT = "tools.sh"

_LARGEST_CONTEXT = 2**24  # tokens; no model has been made for as many

# Ollama's names for what the server has an option for.
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

# What a dead server said, and what it means; the first match of the earliest row wins, since
# the rows go from the cause to its consequences.
_CAUSES = (
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
    (r"(?P<it>GGML_ASSERT\(.+\) failed)", "it failed a check of its own: {it}"),
    (r"error: (?P<it>.+)", "{it}"),
)  # fmt: skip


class LlamaCpp:
    """llama.cpp's HTTP server."""

    name = "llama.cpp"

    def server(
        self, model: MountedModel, options: ServeOptions, surroundings: Surroundings
    ) -> ServerSpec:
        """Write the command line; see `Runtime.server`."""
        listen = surroundings.listen
        argv = [
            *("--host", listen.host),
            *_option("--port", listen.port),
            *_option("--api-key-file", listen.api_key_file),
            *("--model", model.weights),
            *("--alias", model.alias),
            *(word for path in model.projectors for word in ("--mmproj", path)),
            *(word for path in model.adapters for word in ("--lora", path)),
            *_option("--model-draft", model.draft),
            *_option("--chat-template-file", model.chat_template),
            *_option("--chat-template", model.template_name),
            *_option("--ctx-size", _context(options, model, surroundings)),
            *("--temp", str(_temperature(options, model))),
            *_sampling(model.parameters),
            *("--threads", str(surroundings.threads)),
            *_option("--seed", options.seed),
            *_option("--n-gpu-layers", _layers(options.ngl)),
            *_option("--parallel", options.parallel),
            "--no-warmup",
            *options.runtime_args,
        ]
        # Fitting layers into device memory costs a second look at the model, in vain without a
        # device. By environment, since builds that do not know it must not stumble over it.
        # With one, the log shall tell whether it is used: see `llama_log`.
        env = {"LLAMA_ARG_LOG_VERBOSITY": "4"} if surroundings.gpu else {"LLAMA_ARG_FIT": "off"}
        return ServerSpec(
            entrypoint=_entrypoint(surroundings.image),
            argv=tuple(argv),
            env=env,
            health_path="/health",
            wants_gpu=surroundings.gpu and options.ngl != 0,
        )

    def explain(self, log: Sequence[str]) -> str | None:
        """Find the cause of death in the log; see `Runtime.explain`."""
        for pattern, meaning in _CAUSES:
            for line in log:
                if match := re.search(pattern, line):
                    return meaning.format(**match.groupdict())
        return None

    def report(self, log: Sequence[str]) -> ServerReport:
        """Find the device, its layers and the context; see `Runtime.report`."""
        from ramalama.runtimes.llama_log import read_report  # noqa: PLC0415 (few starts need it)

        return read_report(log)


def _option(name: str, value: object | None) -> Iterator[str]:
    if value is not None:
        yield name
        yield str(value)


def _context(options: ServeOptions, model: MountedModel, surroundings: Surroundings) -> int | None:
    if options.ctx_size == 0 and surroundings.gpu and options.ngl == AUTOMATIC_LAYERS:
        return None  # left alone, the server takes as much as fits beside the layers
    if options.ctx_size is not None:
        return options.ctx_size
    wanted = model.parameters.get("num_ctx")
    return wanted if isinstance(wanted, int) and 0 < wanted <= _LARGEST_CONTEXT else DEFAULT_CONTEXT


def _temperature(options: ServeOptions, model: MountedModel) -> float:
    if options.temp is not None:
        return options.temp
    wanted = model.parameters.get("temperature")
    return wanted if is_number(wanted) and wanted >= 0 else DEFAULT_TEMPERATURE


def _sampling(parameters: Mapping[str, object]) -> Iterator[str]:
    """Yield what the model's author wants besides; a value that is no number is none."""
    for name, flag in _SAMPLING.items():
        value = parameters.get(name)
        if is_number(value):
            yield flag
            yield str(value)


def _layers(ngl: int) -> int | None:
    # Left alone, the server offloads what fits.
    return None if ngl == AUTOMATIC_LAYERS else ngl


def _entrypoint(image: LocalImage | None) -> tuple[str, ...]:
    """Choose the program, whatever the image would start by itself."""
    program = PurePosixPath(image.entrypoint[0]) if image and image.entrypoint else None
    if program is not None and program.name == _PROGRAM:
        return (str(program),)
    if program is not None and program.name == _UPSTREAM_SCRIPT:
        return (str(program.with_name(_PROGRAM)),)
    return (_PROGRAM,)
