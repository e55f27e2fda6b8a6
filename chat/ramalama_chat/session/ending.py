"""Say why an answer is less than what was asked for: cut off, filtered, empty, only thoughts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ramalama_chat.session.usage import Usage
from ramalama_values.text import one_line

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


@dataclass(frozen=True, slots=True, kw_only=True)
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
