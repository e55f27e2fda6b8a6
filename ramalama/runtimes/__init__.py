"""The inference servers that we know; a new one is a file and a row here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.runtimes.llama_cpp import LlamaCpp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ramalama.runtimes.base import Runtime

RUNTIMES: Mapping[str, Runtime] = {LlamaCpp.name: LlamaCpp()}
DEFAULT_RUNTIME = LlamaCpp.name
