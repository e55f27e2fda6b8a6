"""What model servers write into their logs, a model's own words among it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.runtimes.llama_cpp import LlamaCpp
from ramalama.runtimes.vllm import Vllm
from tests.fuzz.targets import Target

if TYPE_CHECKING:
    from collections.abc import Mapping


def server_log(data: bytes) -> None:
    """Find out from a log why its server ended, and what it computes with."""
    lines = data.decode(errors="replace").split("\n")
    for runtime in (LlamaCpp(), Vllm()):
        cause, report = runtime.explain(lines), runtime.report(lines)
        assert cause is None or "\n" not in cause
        assert str(report)
        numbers = (report.context, report.layers_offloaded, report.layers_total)
        assert all(number is None or number >= 0 for number in numbers)


def seeds() -> tuple[bytes, ...]:
    """Return the lines that tell something."""
    return (
        b"llama_model_load: using device CUDA0 (x)\nload_tensors: offloaded 3/31 layers to GPU",
        b"0.1 I load_tensors:   CPU_Mapped model buffer size = 1\nllama_context: n_ctx = 256",
        b"srv load_model: x n_ctx_slot = 4096\nerror: invalid argument: --x",
        b"error loading model: x\nunknown model architecture: 'x'\nGGML_ASSERT(x) failed",
        b"Initializing a V1 LLM engine x device_config=cpu\nUsing max model len 2048",
        b"max_model_len (4096) is greater than the derived max_model_len (a=2048",
        b"Auto-fit max_model_len: reduced from 4096 to 2048\nValueError: x",
    )


TARGETS: Mapping[str, Target] = {"log": Target(run=server_log, seeds=seeds, short=5000)}
