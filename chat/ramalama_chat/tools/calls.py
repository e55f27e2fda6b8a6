"""Assemble the tool calls of a model from the pieces in which they are streamed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from ramalama_chat.errors import ChatError
from ramalama_values.json import is_array, is_object, parse_json

_MOST_CALLS = 16  # of one answer
_LONGEST_CALL = 64 * 1024  # characters of its id, name and arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call; *arguments* are None if the model wrote something other than a JSON object."""

    id: str
    name: str
    arguments: Mapping[str, object] | None

    def for_request(self) -> dict[str, object]:
        """Return the member of "tool_calls" in the turn that repeats the call to the server."""
        function = {"name": self.name, "arguments": json.dumps(self.arguments or {})}
        return {"id": self.id, "type": "function", "function": function}


@dataclass(slots=True)
class _Parts:
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class CallReader:
    """Assembles the "tool_calls" of an answer's deltas."""

    _parts: dict[int, _Parts] = field(default_factory=dict[int, _Parts])

    def feed(self, pieces: object) -> None:
        """Add one delta's "tool_calls".

        Each piece has the index of its call; servers that send complete calls may omit it.

        Raises:
            ChatError: *pieces* are not tool calls, or there are too many, or they are too long.

        """
        if pieces is None:
            return
        if not is_array(pieces):
            _refuse()
        for position, piece in enumerate(pieces):
            if not is_object(piece):
                _refuse()
            index = piece.get("index")
            self._add(index if isinstance(index, int) else position, piece)

    def calls(self) -> tuple[ToolCall, ...]:
        """Return the calls, in the order of their indexes."""
        return tuple(
            ToolCall(
                id=parts.id or f"call_{index}",
                name=parts.name,
                arguments=_read_arguments(parts.arguments),
            )
            for index, parts in sorted(self._parts.items())
        )

    def _add(self, index: int, piece: Mapping[str, object]) -> None:
        function = piece.get("function")
        if not 0 <= index < _MOST_CALLS or not is_object(function):
            _refuse()
        parts = self._parts.setdefault(index, _Parts())
        parts.id = parts.id or _text(piece.get("id"))
        parts.name += _text(function.get("name"))
        parts.arguments += _text(function.get("arguments"))
        if len(parts.id) + len(parts.name) + len(parts.arguments) > _LONGEST_CALL:
            msg = f"the model's tool call is longer than {_LONGEST_CALL} characters"
            raise ChatError(msg)


def _read_arguments(text: str) -> Mapping[str, object] | None:
    try:
        value = parse_json(text or "{}")
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # no lone surrogate, no NaN
    except (ValueError, RecursionError):
        return None
    return value if is_object(value) else None


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        _refuse()
    return value


def _refuse() -> NoReturn:
    msg = "the server sent a tool call that is not valid"
    raise ChatError(msg)
