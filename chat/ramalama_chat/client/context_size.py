"""Ask a server how many tokens its context holds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.requests import get_json
from ramalama_values.json import is_array, is_count, is_object

if TYPE_CHECKING:
    from openai import OpenAI

_TIMEOUT = 5.0  # seconds; the size is not worth a longer wait


def ask_context_size(client: "OpenAI", model: str) -> int | None:
    """Return how many tokens the context of *model* holds; None if the server does not say.

    The size is in the list of models: "max_model_len" in vLLM's, "meta.n_ctx" in llama-server's.
    """
    try:
        answer = get_json(client, "/models", timeout=_TIMEOUT)
    except (openai.OpenAIError, httpx2.RequestError, ValueError):  # no answer, or none in JSON
        return None
    entries = [entry for entry in read_models(answer) if entry.get("id") == model]
    if not entries:
        return None
    meta = entries[0].get("meta")
    length = entries[0].get("max_model_len") or (meta.get("n_ctx") if is_object(meta) else None)
    return length if is_count(length) else None


def read_models(answer: object) -> Sequence[Mapping[str, object]]:
    """Return the entries of a list of models; none if *answer* is not such a list."""
    data = answer.get("data") if is_object(answer) else None
    return [entry for entry in data if is_object(entry)] if is_array(data) else ()
