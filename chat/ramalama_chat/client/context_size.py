"""Ask a server how many tokens its context holds, and what helps if that is too little."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.requests import get_json, get_json_async
from ramalama_values.json import is_array, is_count, is_object

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

_TIMEOUT = 5.0  # seconds; the size is not worth a longer wait
_ROOM = 256  # tokens for an answer


@dataclass(frozen=True, slots=True)
class ContextSize:
    """How many tokens a model's context *holds*, and with how many it was *trained*.

    None means that the server does not say.
    """

    holds: int | None = None
    trained: int | None = None

    def remedy(self, option: str | None, needed: int | None) -> str:
        """Return what helps if *needed* tokens do not fit; None means that they just do not fit.

        *option* sets the size when the server is started; None if that is not ours to say.
        """
        if self.holds and self.trained and self.holds >= self.trained:
            return f"send less: the model was trained with {self.trained} tokens at most"
        if needed is None and self.holds is None:
            return f"use a larger {option}" if option else "start the server with a larger context"
        least = max(needed or 0, self.holds or 0) + _ROOM
        largest = self.trained or least * 2
        size = min(1 << (least - 1).bit_length(), largest)
        use = (
            f"use {option} {size}"
            if option
            else f"start the server with a context of {size} tokens"
        )
        return (
            f"{use}, or send less"
            if size >= least
            else f"{use}, all that the model was trained with, and send less"
        )


def ask_context_size(client: "OpenAI", model: str) -> ContextSize:
    """Ask for the size of the context of *model*.

    The size is in the list of models: "max_model_len" in vLLM's, "meta.n_ctx" in llama-server's.
    """
    return _size(find_model(client, model))


async def ask_context_size_async(client: "AsyncOpenAI", model: str) -> ContextSize:
    """Do the same as `ask_context_size`, with an asynchronous client."""
    import asyncio  # noqa: PLC0415 - the caller has imported it

    try:
        async with asyncio.timeout(_TIMEOUT):
            answer = await get_json_async(client, "/models")
    except (openai.OpenAIError, httpx2.RequestError, TimeoutError, ValueError):
        return ContextSize()
    return _size(_entry(answer, model))


def _size(entry: Mapping[str, object]) -> ContextSize:
    found = entry.get("meta")
    meta = found if is_object(found) else {}
    holds, trained = entry.get("max_model_len") or meta.get("n_ctx"), meta.get("n_ctx_train")
    return ContextSize(
        holds=holds if is_count(holds) else None, trained=trained if is_count(trained) else None
    )


def find_model(client: "OpenAI", model: str) -> Mapping[str, object]:
    """Return the entry of *model* in the server's list; an empty one if there is none."""
    try:
        answer = get_json(client, "/models", timeout=_TIMEOUT)
    except (openai.OpenAIError, httpx2.RequestError, ValueError):  # no answer, or none in JSON
        return {}
    return _entry(answer, model)


def _entry(answer: object, model: str) -> Mapping[str, object]:
    found = [entry for entry in read_models(answer) if entry.get("id") == model]
    return found[0] if found else {}


def read_models(answer: object) -> Sequence[Mapping[str, object]]:
    """Return the entries of a list of models; none if *answer* is not such a list."""
    data = answer.get("data") if is_object(answer) else None
    return [entry for entry in data if is_object(entry)] if is_array(data) else ()
