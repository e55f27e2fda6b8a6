"""The supported inference servers; to add one, add a file, a name and a case here."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ramalama.runtimes.llama_cpp import LlamaCpp
from ramalama_accel.runtime_name import RuntimeName

if TYPE_CHECKING:
    from ramalama.runtimes.base import Runtime


def find_runtime(name: RuntimeName) -> Runtime:
    """Return the inference server called *name*."""
    match name:
        case RuntimeName.LLAMA_CPP:
            return LlamaCpp()
        case RuntimeName.VLLM:
            from ramalama.runtimes.vllm import Vllm  # noqa: PLC0415 (most starts do not need it)

            return Vllm()
        case _:
            assert_never(name)
