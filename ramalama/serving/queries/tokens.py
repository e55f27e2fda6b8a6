"""Ask a server how many tokens a text or a conversation has.

llama-server has /tokenize for a text, and /apply-template, which makes a text of messages. vLLM has
/tokenize for both, with other fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from ramalama.serving.queries.exchange import NO_SUCH_PATH, Request, read_object
from ramalama_chat.errors import ChatError, InputRefused, RequestFailed
from ramalama_values.json import is_array, is_count, is_object
from ramalama_values.text import encodable

if TYPE_CHECKING:
    from ramalama.serving.queries.exchange import Query


def ask_count(model: str, content: str | Sequence[Mapping[str, object]]) -> Query[int]:
    """Ask for the number of tokens of a text, without those at its ends, or of messages."""
    try:
        if isinstance(content, str):
            return (yield from _count_text(model, content))
        return (yield from _count_messages(model, _checked(content)))
    except RequestFailed as exc:
        if exc.status not in NO_SUCH_PATH:
            raise
        msg = "the server does not count tokens"
        raise RequestFailed(msg, status=exc.status) from exc


def _checked(value: object) -> Sequence[Mapping[str, object]]:
    if isinstance(value, Sequence):
        values = cast("Sequence[object]", value)
        messages = [cast("Mapping[str, object]", it) for it in values if isinstance(it, Mapping)]
        if len(messages) == len(values):
            return messages
    msg = f"content must be a text or a list of messages, not {value!r}"
    raise InputRefused(msg)


def _count_text(model: str, text: str, *, is_prompt: bool = False) -> Query[int]:
    text = encodable(text)
    body = {"content": text, "add_special": is_prompt, "parse_special": is_prompt}  # llama-server's
    body |= {"model": model, "prompt": text, "add_special_tokens": is_prompt}  # vLLM's
    return _read_count((yield Request(path="../tokenize", body=body, patient=True)))


def _count_messages(model: str, messages: Sequence[Mapping[str, object]]) -> Query[int]:
    body = {"messages": [*messages]}
    try:
        reply = yield Request(path="../apply-template", body=body, patient=True)
    except RequestFailed as exc:
        if exc.status not in NO_SUCH_PATH:
            raise
        asked = {**body, "model": model, "add_generation_prompt": True}
        return _read_count((yield Request(path="../tokenize", body=asked, patient=True)))
    answer = read_object(reply)
    prompt = answer.get("prompt") if is_object(answer) else None
    if not isinstance(prompt, str):
        raise _unexpected()
    return (yield from _count_text(model, prompt, is_prompt=True))


def _read_count(reply: bytes) -> int:
    answer = read_object(reply)
    if is_object(answer):
        count, tokens = answer.get("count"), answer.get("tokens")
        if is_count(count):
            return count
        if is_array(tokens):
            return len(tokens)
    raise _unexpected()


def _unexpected() -> ChatError:
    return ChatError("the server sent something that is not a number of tokens")
