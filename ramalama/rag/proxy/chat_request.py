"""Find the question in the body of a chat request, and put another text in its place.

Only the characters of that text change: all other members stay as the client wrote them, with their
order, their numbers and their spaces. So nothing that the server understands is lost.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

from ramalama_values import frozen
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()

Span = tuple[int, int]


@frozen()
class ChatRequest:
    """A chat request with a question.

    Attributes:
        body: the whole request, as text.
        question: what the user asks last.
        earlier: the user's questions before it.
        streams: whether the client wants the answer in pieces.
        place: where the question's JSON string begins and ends in the body.
    """

    body: str
    question: str
    earlier: tuple[str, ...]
    streams: bool
    place: Span

    @classmethod
    def parse(cls, content: bytes) -> ChatRequest | None:
        """Parse a body; None if there is no question in it, which the server may refuse."""
        try:
            text = content.decode()
            return _parse(text)
        except (TypeError, ValueError, IndexError, RecursionError):
            return None

    def asking(self, prompt: str) -> bytes:
        """Return the body with *prompt* in place of the question."""
        begin, end = self.place
        encoded = json.dumps(prompt, ensure_ascii=False)
        return f"{self.body[:begin]}{encoded}{self.body[end:]}".encode(errors="replace")


def _parse(text: str) -> ChatRequest | None:
    members = _members(text, 0)
    if "messages" not in members:
        return None
    begin, _ = members["messages"]
    turns = [
        (_members(text, start), _value(text, start))
        for start, _ in _items(text, begin)
        if text[start] == "{"
    ]
    asked = [each for each in turns if is_object(each[1]) and each[1].get("role") == "user"]
    if not asked:
        return None
    place = _place(text, asked[-1][0])
    if place is None:
        return None
    streams = "stream" in members and _value(text, members["stream"][0]) is True
    return ChatRequest(
        body=text,
        question=cast("str", _value(text, place[0])),
        earlier=tuple(filter(None, (_text(turn) for _, turn in asked[:-1]))),
        streams=streams,
        place=place,
    )


def _place(text: str, message: dict[str, Span]) -> Span | None:
    """Return where the text of a message is: its content, or the last part of it that is text."""
    if "content" not in message:
        return None
    begin, end = message["content"]
    if text[begin] == '"':
        return begin, end
    if text[begin] != "[":
        return None
    parts = [_members(text, start) for start, _ in _items(text, begin) if text[start] == "{"]
    places = [
        part["text"]
        for part in parts
        if "text" in part and "type" in part and _value(text, part["type"][0]) == "text"
    ]
    return next((place for place in reversed(places) if text[place[0]] == '"'), None)


def _text(turn: object) -> str:
    content = turn.get("content") if is_object(turn) else None
    if isinstance(content, str):
        return content
    parts = content if is_array(content) else []
    texts = (part.get("text") for part in parts if is_object(part) and part.get("type") == "text")
    return "\n".join(text for text in texts if isinstance(text, str))


def _members(text: str, begin: int) -> dict[str, Span]:
    """Return where the value of each member of the object at *begin* is.

    Raises:
        ValueError: it is not an object, or has a member twice.
    """
    spans = dict[str, Span]()
    position = _after(text, _after(text, begin), "{")
    while text[position] != "}":
        if spans:
            position = _after(text, position, ",")
        name, end = _name(text, position)
        start = _after(text, _after(text, end), ":")
        position = _after(text, _end(text, start))
        if name in spans:
            raise ValueError(name)
        spans[name] = (start, _end(text, start))
    return spans


def _items(text: str, begin: int) -> Iterator[Span]:
    """Yield where each item of the array at *begin* is."""
    position = _after(text, begin, "[")
    first = True
    while text[position] != "]":
        if not first:
            position = _after(text, position, ",")
        end = _end(text, position)
        yield position, end
        position, first = _after(text, end), False


def _name(text: str, begin: int) -> tuple[str, int]:
    name = _value(text, begin)
    if not isinstance(name, str):
        raise TypeError(begin)
    return name, _end(text, begin)


def _after(text: str, position: int, mark: str = "") -> int:
    """Return the position after *mark* and the spaces that follow it.

    Raises:
        ValueError: something else is there.
    """
    if not text.startswith(mark, position):
        raise ValueError(mark)
    end = position + len(mark)
    space = _SPACE.match(text, end)
    return space.end() if space else end


def _value(text: str, begin: int) -> object:
    return cast("object", _DECODER.raw_decode(text, begin)[0])


def _end(text: str, begin: int) -> int:
    return _DECODER.raw_decode(text, begin)[1]
