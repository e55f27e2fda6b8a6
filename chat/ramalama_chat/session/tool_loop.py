"""Answer with tools: the model calls tools, gets their results, and continues."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import Protocol, TypeAlias

from ramalama_chat.errors import ChatError, ContextExceeded
from ramalama_chat.session.conversation import encodable
from ramalama_chat.session.stream import Delta
from ramalama_chat.tools.calls import CallReader, ToolCall
from ramalama_chat.tools.tool import Tool
from ramalama_values.text import one_line

MOST_ROUNDS = 10  # requests in which the model may call tools

Turn: TypeAlias = Mapping[str, object]
Ask: TypeAlias = Callable[[Sequence[Turn], Mapping[str, object]], Generator[Delta, None, None]]
"""Sends turns, with additional members of the request, and yields the answer."""


class Tools(Protocol):
    """The part of `Toolbox` that the tool loop needs."""

    @property
    def tools(self) -> Sequence[Tool]:
        """The tools that the model may call."""
        ...

    def call(self, tool: Tool, arguments: Mapping[str, object]) -> str:
        """Call *tool*, and return the result as text for the model."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLoop:
    """Lets a model use *toolbox*, if *approve* says yes to the tool and its arguments."""

    toolbox: Tools
    approve: Callable[[Tool, Mapping[str, object]], bool]

    def answer(self, turns: Sequence[Turn], ask: Ask) -> Generator[Delta, None, None]:
        """Yield the text of the model until it calls no more tools.

        After `MOST_ROUNDS` requests with tools it may not call any, so that the answer ends.

        Raises:
            ChatError: the model made an invalid call, or the results do not fit into its context.

        """
        so_far = list(turns)
        for count in range(MOST_ROUNDS + 1):
            said = _Said()
            with _fitting(after=count), closing(ask(so_far, self._members(count))) as deltas:
                for delta in deltas:
                    said.feed(delta)
                    yield delta
            calls = said.reader.calls()
            if count == MOST_ROUNDS or not calls:
                return
            yield said.line_end()
            so_far.append(said.turn(calls))
            so_far.extend(self._results(calls))

    def _members(self, count: int) -> dict[str, object]:
        offered = [tool.for_request() for tool in self.toolbox.tools]
        if not offered:
            return {}
        return {"tools": offered, **({"tool_choice": "none"} if count == MOST_ROUNDS else {})}

    def _results(self, calls: Sequence[ToolCall]) -> Generator[Turn, None, None]:
        for call in calls:
            yield {"role": "tool", "tool_call_id": call.id, "content": self._result(call)}

    def _result(self, call: ToolCall) -> str:
        tool = next((each for each in self.toolbox.tools if each.name == call.name), None)
        if tool is None:
            return f"Error: there is no tool {one_line(call.name)}"
        if call.arguments is None:
            return f"Error: the arguments of {tool.name} are a JSON object"
        if not self.approve(tool, call.arguments):
            return "Error: the user does not allow this call"
        return self.toolbox.call(tool, call.arguments)


@dataclass(slots=True)
class _Said:
    """The model's answer to one request."""

    reader: CallReader = field(default_factory=CallReader)
    text: StringIO = field(default_factory=StringIO)
    thought: StringIO = field(default_factory=StringIO)
    thought_member: str = ""

    def feed(self, delta: Delta) -> None:
        """Add the next delta."""
        self.reader.feed(delta.tool_calls)
        self.text.write(delta.text)
        if delta.reasoning:
            self.thought.write(delta.reasoning)
            self.thought_member = delta.reasoning_member

    def line_end(self) -> Delta:
        """End the last line, so that questions and notes begin on a new line."""
        text, thought = self.text.getvalue(), self.thought.getvalue()
        end = "" if (text or thought or "\n").endswith("\n") else "\n"
        return Delta(text=end) if text else Delta(reasoning=end)

    def turn(self, calls: Sequence[ToolCall]) -> Turn:
        """Return this answer as a turn for the server, with the model's reasoning.

        The reasoning continues after the tools have answered. Without it, models lose track, and
        the server must process tokens again that it has in its cache. DeepSeek's API refuses a turn
        that has calls but no reasoning.
        """
        thought = encodable(self.thought.getvalue())
        return {
            "role": "assistant",
            "content": encodable(self.text.getvalue()),
            **({self.thought_member: thought} if thought else {}),
            "tool_calls": [call.for_request() for call in calls],
        }


@contextmanager
def _fitting(*, after: int) -> Generator[None]:
    """Turn a full context into an error that is not retried, since tools must not run twice."""
    try:
        yield
    except ContextExceeded as exc:
        if after == 0:
            raise
        msg = f"the results of the tools do not fit: {exc}"
        raise ChatError(msg) from exc
