"""The names of the APIs that a server can have besides the model server's own."""

from __future__ import annotations

from enum import StrEnum


class ApiName(StrEnum):
    """What stands before the model server; the values are those of `--api`."""

    NONE = "none"
    LLAMA_STACK = "llama-stack"


SYNONYMS = {"ogx": ApiName.LLAMA_STACK}
"""Other names: Llama Stack is called OGX since April 2026."""
