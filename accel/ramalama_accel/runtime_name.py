"""The inference servers that there are images of."""

from enum import StrEnum


class RuntimeName(StrEnum):
    """An inference server that there are images of; as in ramalama-run(1), `--runtime`."""

    LLAMA_CPP = "llama.cpp"
    VLLM = "vllm"
