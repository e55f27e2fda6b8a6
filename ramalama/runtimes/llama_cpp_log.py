"""Read from llama-server's log which device it computes on.

Since build 9181 (llama.cpp pull request 23021) the relevant lines need verbosity 4; earlier builds
always write them. Lines begin with the name of the function that writes them; some builds put a
time stamp and a letter before it. A model's metadata, which is not trusted, never stands there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ramalama.runtimes.base import CPU, ServerReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_START = r"^(?:[0-9.]+ [A-Z] )?"
_NUMBER = r"([0-9]{1,18})\b"
# The server names a device here when it finds it, whether or not it uses it.
_DEVICE = re.compile(_START + r"llama_\w+: using device (\S+) \(")
_LAYERS = re.compile(rf"{_START}(?:llm_)?load_tensors: offloaded {_NUMBER}/{_NUMBER} layers to GPU")
_BUFFER = re.compile(_START + r"(?:llm_)?load_tensors: +CPU\w* model buffer size")
_CONTEXT = re.compile(_START + r"llama_\w+: n_ctx +=\s+" + _NUMBER)
_SLOT = re.compile(_START + r"(?:srv|slot) .*\bn_ctx_slot = " + _NUMBER)


def read_report(log: Iterable[str]) -> ServerReport:
    """Read the first lines about devices: those of a draft model follow those of the model."""
    lines = tuple(log)
    devices = [match[1] for match in _matches(_DEVICE, lines)]
    layers = next(_matches(_LAYERS, lines), None)
    context = next(_matches(_CONTEXT, lines), None) or next(_matches(_SLOT, lines), None)
    device: str | None
    if layers and int(layers[1]) == 0:
        device = CPU
    elif devices:
        device = ",".join(dict.fromkeys(devices))
    else:
        device = CPU if any(_matches(_BUFFER, lines)) else None
    return ServerReport(
        device=device,
        layers_offloaded=int(layers[1]) if layers else None,
        layers_total=int(layers[2]) if layers else None,
        context=int(context[1]) if context else None,
    )


def _matches(pattern: re.Pattern[str], lines: Iterable[str]) -> Iterator[re.Match[str]]:
    return (match for line in lines if (match := pattern.match(line)))
