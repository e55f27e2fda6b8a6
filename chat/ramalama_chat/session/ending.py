"""What a server says of an answer at its end: its tokens, and why it is less than asked for.

An answer may be cut off, filtered, empty, or only thoughts. The server counts the tokens, and
measures the times.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from ramalama_values import frozen
from ramalama_values.json import is_count, is_measure, is_object
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_FULL = 0.9  # of the context, since some servers keep a little of it
_TOOLS = frozenset({"tool_calls", "function_call"})


class Ended(Protocol):
    """The part of `ChatSession` that tells how the last answer ended."""

    @property
    def finish_reason(self) -> str | None:
        """The server's word for it; see `ChatSession`."""
        ...

    @property
    def parameters(self) -> Mapping[str, object]:
        """Additional members of the request."""
        ...

    @property
    def usage(self) -> Usage | None:
        """The tokens of the answer."""
        ...

    @property
    def is_empty(self) -> bool:
        """Whether no text came, or only white space."""
        ...

    @property
    def has_reasoned(self) -> bool:
        """Whether reasoning came."""
        ...

    def context_size(self) -> int | None:
        """Return how many tokens the context holds; None if that is unknown."""
        ...

    def larger_context(self) -> str:
        """Return what helps if the context is full."""
        ...


@frozen()
class Remedies:
    """What helps against the limit of tokens, and against too much reasoning."""

    limit: str
    reasoning: str


def describe_end(session: Ended, remedies: Remedies) -> str | None:
    """Return what is wrong with the last answer, why, and what helps; None if it is complete."""
    why = _describe_cause(session, remedies)
    if session.is_empty and session.has_reasoned:
        return f"the model only reasoned, and gave no answer{why or f'; {remedies.reasoning}'}"
    if session.is_empty:
        return f"the model gave no answer{why}"
    return f"the answer is cut off{why}" if why and session.finish_reason not in _TOOLS else None


def _describe_cause(session: Ended, remedies: Remedies) -> str:
    match session.finish_reason:
        case None | "stop":
            return ""
        case "length":
            limit, usage = session.parameters.get("max_tokens"), session.usage
            if limit is None or (usage is not None and usage.completion_tokens != limit):
                return _describe_full(session)
            return f" after {limit} tokens; {remedies.limit}"
        case "content_filter":
            return ": the server's filter has stopped it"
        case reason if reason in _TOOLS:
            return ": it only called tools"
        case reason:
            return f": the server says {one_line(reason)}"


def _describe_full(session: Ended) -> str:
    """Describe the end of an answer without a limit of ours: the server may have one."""
    usage, size = session.usage, session.context_size()
    if usage is not None and size is not None and usage.total_tokens < _FULL * size:
        return f" after {usage.completion_tokens} tokens, by a limit of the server's own"
    return f": the context is full; {session.larger_context()}"


_SECOND = 1000.0  # milliseconds


@frozen()
class Usage:
    """Tokens of one request; *timings* are llama-server's, in milliseconds, if it sent any."""

    prompt_tokens: int
    completion_tokens: int
    timings: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def total_tokens(self) -> int:
        """The number of tokens in the context after the answer."""
        return self.prompt_tokens + self.completion_tokens

    def describe(self, context: int | None = None) -> str:
        """Describe the usage in one line; *context* is how many tokens fit, None if unknown."""
        parts = [
            f"prompt {self.prompt_tokens} tokens{self._duration('prompt_ms')}",
            f"answer {self.completion_tokens} tokens{self._duration('predicted_ms')}",
        ]
        if speed := self.timings.get("predicted_per_second"):
            parts.append(f"{speed:.1f} tokens/s")
        if context:
            parts.append(f"context {self.total_tokens} of {context}")
        return ", ".join(parts)

    def _duration(self, name: str) -> str:
        milliseconds = self.timings.get(name)
        return "" if milliseconds is None else f" in {milliseconds / _SECOND:.2f} s"


def read_usage(event: Mapping[str, object]) -> Usage | None:
    """Read "usage" of an event, and "timings", which only llama-server sends; None if not valid."""
    usage, timings = event.get("usage"), event.get("timings")
    if not is_object(usage):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not is_count(prompt) or not is_count(completion):
        return None
    measured: Mapping[str, object] = timings if is_object(timings) else {}
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        timings={k: v for k, v in measured.items() if is_measure(v)},
    )
