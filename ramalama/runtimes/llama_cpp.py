"""llama.cpp's `llama-server`; its options as of build 11669, all of them years old."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ramalama.config.defaults import AUTOMATIC_LAYERS
from ramalama.errors import ModelUnsupported
from ramalama.models.options import ModelFormat
from ramalama.runtimes.arguments import context_size, option, temperature
from ramalama.runtimes.base import ServerSpec, is_number
from ramalama_accel.runtime_name import RuntimeName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ramalama.config.options import ServeOptions
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.runtimes.base import MountedModel, ServerEnvironment, ServerReport
    from ramalama_engines.spec import LocalImage

_PROGRAM = "llama-server"

# llama.cpp's own "full" images start this script, which stands beside the programs.
_UPSTREAM_SCRIPT = "tools.sh"

_LAST_WORDS = 40  # lines; what stands before may be an answer that was refused hours ago

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
    (r"(?P<it>GGML_ASSERT\(.+\) failed)", "it failed a check of its own: {it}"),
    (r"error: (?P<it>.+)", "{it}"),
)  # fmt: skip


class LlamaCpp:
    """llama.cpp's HTTP server."""

    name = RuntimeName.LLAMA_CPP
    format = ModelFormat.GGUF

    def check(self, model: StoredModel) -> None:
        """Refuse what is not GGUF; see `Runtime.check`."""
        if model.directory is not None:
            msg = (
                f"{model.reference} is a safetensors model, and llama.cpp loads GGUF alone; "
                "take --runtime vllm, or a GGUF conversion of the model"
            )
            raise ModelUnsupported(msg)

    def server(
        self, model: MountedModel, options: ServeOptions, environment: ServerEnvironment
    ) -> ServerSpec:
        """Write the command line; see `Runtime.server`."""
        listen = environment.listen
        argv = [
            *("--host", listen.host),
            *option("--port", listen.port),
            *option("--api-key-file", listen.api_key_file),
            *("--model", model.weights),
            *("--alias", model.alias),
            *(word for path in model.projectors for word in ("--mmproj", path)),
            *(word for path in model.adapters for word in ("--lora", path)),
            *_speculation(model.draft),
            *option("--chat-template-file", model.chat_template),
            *_template(model.template_name),
            *option("--ctx-size", _context(options, model, environment)),
            *("--temp", str(temperature(options, model))),
            *_sampling(model.parameters),
            *("--threads", str(environment.threads)),
            *option("--seed", options.seed),
            *option("--n-gpu-layers", _layers(options.ngl)),
            *option("--parallel", options.parallel),
            "--no-warmup",
            *options.runtime_args,
        ]
        # Fitting layers into device memory costs a second look at the model, in vain without a
        # device. By environment, since builds that do not know it must not stumble over it.
        # With one, the log shall tell whether it is used: see `llama_log`.
        env = {"LLAMA_ARG_LOG_VERBOSITY": "4"} if environment.gpu else {"LLAMA_ARG_FIT": "off"}
        return ServerSpec(
            entrypoint=_entrypoint(environment.image),
            argv=tuple(argv),
            env=env,
            health_path="/health",
            wants_gpu=environment.gpu and options.ngl != 0,
        )

    def explain(self, log: Sequence[str]) -> str | None:
        """Find the cause of death in the log; see `Runtime.explain`."""
        last_words = log[-_LAST_WORDS:]
        for pattern, meaning in _CAUSES:
            for line in last_words:
                if match := re.search(pattern, line):
                    return meaning.format(**match.groupdict())
        return None

    def report(self, log: Sequence[str]) -> ServerReport:
        """Find the device, its layers and the context; see `Runtime.report`."""
        from ramalama.runtimes.llama_cpp_log import (  # noqa: PLC0415 (few starts need it)
            read_report,
        )

        return read_report(log)


def _template(name: str | None) -> tuple[str, ...]:
    # With Jinja, the name itself would be taken for a template.
    return () if name is None else ("--no-jinja", "--chat-template", name)


def _speculation(draft: str | None) -> tuple[str, ...]:
    # Since build 9200 or so a draft model is loaded and left idle unless its use is named, too.
    return () if draft is None else ("--model-draft", draft, "--spec-type", "draft-simple")


def _context(
    options: ServeOptions, model: MountedModel, environment: ServerEnvironment
) -> int | None:
    if options.ctx_size == 0 and environment.gpu and options.ngl == AUTOMATIC_LAYERS:
        return None  # left alone, the server takes as much as fits beside the layers
    return context_size(options, model.parameters)


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
