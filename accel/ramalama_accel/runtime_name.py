"""The names of the inference servers for which images exist."""

from enum import StrEnum


class RuntimeName(StrEnum):
    """An inference server for which images exist, as in ramalama-run(1), `--runtime`."""

    LLAMA_CPP = "llama.cpp"
    VLLM = "vllm"
