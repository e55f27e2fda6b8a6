"""How many tokens a server's context holds, asked of the server."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ramalama_chat.client._openai import openai
from ramalama_values.json import is_array, is_count, is_object

if TYPE_CHECKING:
    from openai import OpenAI

_PATIENCE = 5.0  # seconds; it is not worth more


def ask_context_size(client: "OpenAI", model: str) -> int | None:
    """Look in the list of models: "max_model_len" is vLLM's, "meta.n_ctx" llama-server's.

    None where neither is there, or where nobody answers: it is a nicety.
    """
    try:
        answer: object = client.get("/models", cast_to=object, options={"timeout": _PATIENCE})
    except (openai.OpenAIError, ValueError, RecursionError):  # no answer, or none in JSON
        return None
    entries = [entry for entry in read_models(answer) if entry.get("id") == model]
    if not entries:
        return None
    meta = entries[0].get("meta")
    length = entries[0].get("max_model_len") or (meta.get("n_ctx") if is_object(meta) else None)
    return length if is_count(length) else None


def read_models(answer: object) -> Sequence[Mapping[str, object]]:
    """Return the entries of a list of models; none of anything else."""
    data = answer.get("data") if is_object(answer) else None
    return [entry for entry in data if is_object(entry)] if is_array(data) else ()
