"""Answer with tools: the model calls tools, gets their results, and continues."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Protocol, TypeAlias

from ramalama_chat.session.stream import Delta
from ramalama_chat.tools.calls import CallReader, ToolCall
from ramalama_chat.tools.tool import Tool
from ramalama_values.text import encodable, one_line

MOST_ROUNDS = 10  # requests in which the model may call tools

Turn: TypeAlias = Mapping[str, object]


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

    def result(self, call: ToolCall) -> str:
        """Make *call*, and return its result as text for the model."""
        found = self.find(call)
        return found if isinstance(found, str) else self.toolbox.call(*found)

    def find(self, call: ToolCall) -> tuple[Tool, Mapping[str, object]] | str:
        """Return the tool that *call* means and its arguments, or why it is not called."""
        tool = next((each for each in self.toolbox.tools if each.name == call.name), None)
        if tool is None:
            return f"Error: there is no tool {one_line(call.name)}"
        if call.arguments is None:
            return f"Error: the arguments of {tool.name} are a JSON object"
        if not self.approve(tool, call.arguments):
            return "Error: the user does not allow this call"
        return tool, call.arguments


class Rounds:
    """The requests of one answer with *tools*: the model calls tools, until it calls no more.

    After `MOST_ROUNDS` requests with tools it may not call any, so that the answer ends.
    """

    def __init__(self, turns: Sequence[Turn], tools: ToolLoop) -> None:
        self.turns = list(turns)
        self.tools = tools
        self.count = 0  # requests that were answered
        self._said = _Said()

    def begin(self) -> dict[str, object]:
        """Begin a request, and return its additional members."""
        self._said = _Said()
        offered = [tool.for_request() for tool in self.tools.toolbox.tools]
        if not offered:
            return {}
        forbidden = {"tool_choice": "none"} if self.count == MOST_ROUNDS else {}
        return {"tools": offered, **forbidden}

    def feed(self, delta: Delta) -> None:
        """Add a part of the model's answer.

        Raises:
            ChatError: the model made an invalid call.

        """
        self._said.feed(delta)

    def end(self) -> tuple[Sequence[ToolCall], Delta]:
        """End a request: return the calls that are to be made, and what the text gets before them.

        No calls mean that the answer is complete.
        """
        calls = self._said.reader.calls()
        if self.count == MOST_ROUNDS or not calls:
            return (), Delta()
        self.count += 1
        self.turns.append(self._said.turn(calls))
        return calls, self._said.line_end()

    def add(self, call: ToolCall, result: str) -> None:
        """Add the *result* of *call* for the next request."""
        self.turns.append({"role": "tool", "tool_call_id": call.id, "content": result})


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
