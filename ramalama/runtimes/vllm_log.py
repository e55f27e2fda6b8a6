"""Read from vLLM's log why it has ended, and which device it computes on.

Several processes write it: the API server, the engine, and a worker for each device. The first one
that fails says why; the others follow with long stack traces, and `See root cause above`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ramalama.runtimes.base import CPU, ServerReport

if TYPE_CHECKING:
    from collections.abc import Iterable

_PLUGIN = "it has no plugin for GGUF; use --runtime llama.cpp, or the model in safetensors"
_CONTEXT_TOO_LARGE = (
    "there is not enough memory for a context of that size (try a smaller --ctx-size, or on the "
    "CPU --env VLLM_CPU_KVCACHE_SPACE=GIB)"
)
_LONGEST = 300  # characters of a message that is passed on

# Patterns of a dead server's log, and their meaning. The first row that matches is used: the rows
# are ordered from causes to their consequences.
_CAUSES = (
    (r"error: unrecognized arguments: (?P<it>.+)", "it does not know the argument {it}"),
    (r"error: argument (?P<it>[^ :]+): ", "it refused the value of {it}"),
    (r"Model architectures \['(?P<it>[^']+)'", "it does not know the architecture {it}"),
    (r"model_type. .?(?P<it>[\w-]+).? but Transformers does not recognize",
     "it does not know the architecture {it}"),
    (r"config file at '.+\.gguf' is not a valid JSON", _PLUGIN),
    (r"max_model_len \((?P<it>\d+)\) is greater than the derived [^=]+=(?P<most>[0-9]+)",
     "the model's context is {most} tokens at most, not {it}; see --ctx-size"),
    (r"KV cache is needed, which is larger|No available memory for the cache blocks",
     _CONTEXT_TOO_LARGE),
    (r"Free memory on device|is less than (?:desired|requested)|OutOfMemoryError|out of memory",
     "there is not enough memory for the model and its context"),
    (r"divisible by tensor parallel size \((?P<it>\d+)",
     "the model cannot be shared by {it} GPUs; name fewer of them in *_VISIBLE_DEVICES"),
    (r"Failed to infer device type|No CUDA GPUs are available|libcuda\.so",
     "it sees no GPU (`ramalama doctor` looks for the reason)"),
    (r"Insufficient space in /dev/shm", "there is not enough shared memory"),
    (r"(?P<it>SafetensorError: .+)", "the model's files are cut off or corrupt: {it}"),
    (r"Couldn't instantiate the backend tokenizer|Can't load tokenizer",
     "the model lacks its tokenizer"),
    (r"^ +Value error, (?P<it>.+?)(?: \[type=|$)", "{it}"),
    (r"ERROR .*\] (?P<it>[\w.]*Error: .+)", "{it}"),
    (r"^(?P<it>[\w.]*Error: .+)", "{it}"),
)  # fmt: skip

_DEVICE = r"Initializing a V1 LLM engine .*\bdevice_config=(?P<it>[\w:]+)"
_NUMBER = r"(?P<it>[0-9]{1,18})\b"
_CONTEXT = r"Using max model len " + _NUMBER
_FITTED = r"Auto-fit max_model_len: reduced from \d+ to " + _NUMBER


def find_cause(log: Iterable[str]) -> str | None:
    """Find the reason for the server's end in the log; see `Runtime.explain`."""
    lines = tuple(log)
    for pattern, meaning in _CAUSES:
        if match := _first(pattern, lines):
            return meaning.format(**match.groupdict())[:_LONGEST]
    return None


def read_report(log: Iterable[str]) -> ServerReport:
    """Read the device and the context from the log; see `Runtime.report`."""
    lines = tuple(log)
    device, context = _first(_DEVICE, lines), _first(_FITTED, lines) or _first(_CONTEXT, lines)
    name = device["it"] if device else None
    return ServerReport(
        device=CPU if name == "cpu" else name, context=int(context["it"]) if context else None
    )


def _first(pattern: str, lines: Iterable[str]) -> re.Match[str] | None:
    return next((match for line in lines if (match := re.search(pattern, line))), None)
