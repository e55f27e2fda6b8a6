"""Ask a server for the names of its models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.serving.queries.exchange import Request, read_object
from ramalama_chat.client.context_size import read_models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.serving.queries.exchange import Query


def ask_names() -> Query[Sequence[str]]:
    """Ask for the names of all models; a server that still loads its model is waited for."""
    answer = read_object((yield Request(path="/models", patient=True)))
    return [name for each in read_models(answer) if isinstance(name := each.get("id"), str)]
