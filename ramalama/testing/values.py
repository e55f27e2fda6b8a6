"""What a fake server is asked, and what it answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ramalama.errors import OptionRefused
from ramalama_values import frozen
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

_WORD: Final = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+")
_FIRST_FAILURE: Final = 400
_BAD_REQUEST: Final = 400


@frozen(kw_only=False)
class Reply:
    """One answer of a fake server; a plain `str` stands for a reply with that text.

    Attributes:
        text: the answer's text, which is streamed word by word.
        reasoning: the reasoning that comes before it.
        calls: the tools that the model calls, each by its name and arguments.
        finish_reason: why the answer ends; None stands for "tool_calls" if there are any, else
            "stop".
        delay: seconds before the answer begins.
        pace: seconds between two words of a streamed answer.
        dies_after: the number of words after which the server hangs up; 0 means without any
            answer, None that it does not. An answer that is not streamed never comes, then.
        status: the HTTP status; one from 400 is a failure.
        error: what a failure's body has as "error".
    """

    text: str = ""
    reasoning: str = field(default="", kw_only=True)
    calls: Sequence[tuple[str, Mapping[str, object]]] = field(default=(), kw_only=True)
    finish_reason: str | None = field(default=None, kw_only=True)
    delay: float = field(default=0.0, kw_only=True)
    pace: float = field(default=0.0, kw_only=True)
    dies_after: int | None = field(default=None, kw_only=True)
    status: int = field(default=200, kw_only=True)
    error: Mapping[str, object] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            OptionRefused: one of them is negative.
        """
        for name in ("delay", "pace", "dies_after"):
            if (getattr(self, name) or 0) < 0:
                msg = f"{name} must not be negative"
                raise OptionRefused(msg)

    @classmethod
    def failure(cls, status: int, message: str = "made up for a test") -> Self:
        """Return a failure with an HTTP status, such as 500, and a message.

        The library's own chat sends a question again after 429 and 503, as to any server.
        """
        error = {"code": status, "message": message, "type": "made_up_error"}
        return cls(status=status, error=error)

    @classmethod
    def too_long(cls, *, needed: int, held: int) -> Self:
        """Return llama-server's failure for a conversation that the context does not hold."""
        error = {
            "code": _BAD_REQUEST,
            "message": f"request ({needed} tokens) exceeds the available context size ({held})",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": needed,
            "n_ctx": held,
        }
        return cls(status=_BAD_REQUEST, error=error)

    @classmethod
    def call(cls, tool: str, /, **arguments: object) -> Self:
        """Return an answer that calls one tool."""
        return cls(calls=((tool, arguments),))

    @classmethod
    def death(cls, after: str = "") -> Self:
        """Return an answer in the middle of which the server dies, with *after* as its beginning.

        If *after* is empty, the server dies before it answers at all.
        """
        return cls(after, dies_after=len(words_of(after)))

    @property
    def fails(self) -> bool:
        """Whether this is a failure, which has no text."""
        return self.status >= _FIRST_FAILURE

    @property
    def ending(self) -> str:
        """The reason for the answer's end."""
        return self.finish_reason or ("tool_calls" if self.calls else "stop")


@dataclass(slots=True, kw_only=True)
class Question:
    """A request for a chat answer.

    Attributes:
        body: the request's JSON object, with "temperature", "tools" and all else.
        cancelled: whether the client left before the end of the answer.
        in_progress: whether the answer is not complete yet.
    """

    body: Mapping[str, object]
    cancelled: bool = False
    in_progress: bool = True

    @property
    def messages(self) -> Sequence[Mapping[str, object]]:
        """The conversation, the last message at its end."""
        messages = self.body.get("messages")
        return [each for each in messages if is_object(each)] if is_array(messages) else []

    @property
    def prompt(self) -> str:
        """The text of the user's last message."""
        return self._last("user")

    @property
    def system(self) -> str:
        """The text of the system prompt; "" for none."""
        return self._last("system")

    @property
    def streamed(self) -> bool:
        """Whether the answer is wanted word by word."""
        return self.body.get("stream") is True

    def _last(self, role: str) -> str:
        for message in reversed(self.messages):
            if message.get("role") == role:
                return text_of(message.get("content"))
        return ""


def text_of(content: object) -> str:
    """Return the text of a message's content, which is text or a list of parts."""
    if is_array(content):
        parts = [part.get("text") for part in content if is_object(part)]
        return "".join(text for text in parts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def words_of(text: str) -> Sequence[str]:
    """Split *text* into words, each with the white space before it; joined, they are *text*."""
    return _WORD.findall(text)
