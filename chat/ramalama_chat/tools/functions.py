"""Functions of a program as tools for a model."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from pydantic import PydanticUserError, TypeAdapter, ValidationError, validate_call
from pydantic.errors import PydanticSchemaGenerationError

from ramalama_chat.errors import InputRefused
from ramalama_chat.tools.tool import Tool, ToolRefused, read_tool
from ramalama_values.text import one_line

_ANYTHING = TypeAdapter(object)
_log = logging.getLogger("ramalama.chat")


class FunctionTools:
    """The tools that *functions* are: named and described by themselves.

    The JSON schema of the arguments is made of the signature, and the docstring is the description.
    Arguments are checked and converted by the annotations. What a function raises becomes the
    result, so that the model may correct itself; it is logged as well.

    With *coroutines*, there may be coroutine functions, for `acall`.
    """

    def __init__(
        self, functions: Sequence[Callable[..., object]], *, coroutines: bool = False
    ) -> None:
        self._functions: dict[str, Callable[..., object]] = {}
        self.tools: Sequence[Tool] = [self._add(each, coroutines) for each in functions]

    def call(self, tool: Tool, arguments: Mapping[str, object]) -> str:
        """Call *tool*, and return the result as text for the model."""
        try:
            return _text(self._functions[tool.name](**arguments))
        except Exception as exc:  # noqa: BLE001 - whatever the function raises
            return _failure(tool, exc)

    async def acall(self, tool: Tool, arguments: Mapping[str, object]) -> str:
        """Do the same as `call`; a function that is no coroutine function runs in a thread."""
        function = self._functions[tool.name]
        try:
            if inspect.iscoroutinefunction(inspect.unwrap(function)):
                result = function(**arguments)
            else:
                result = await asyncio.to_thread(function, **arguments)
            return _text(await result if inspect.isawaitable(result) else result)
        except Exception as exc:  # noqa: BLE001 - whatever the function raises
            return _failure(tool, exc)

    def _add(self, function: Callable[..., object], coroutines: bool) -> Tool:  # noqa: FBT001
        name = getattr(function, "__name__", repr(function))
        if inspect.iscoroutinefunction(function) and not coroutines:
            msg = f"the tool {name} is a coroutine function"
            raise InputRefused(msg, hint="use an asynchronous chat")
        try:
            schema = TypeAdapter(cast("type[object]", function)).json_schema()
            tool = read_tool("", name, inspect.getdoc(function) or "", schema)
            self._functions[tool.name] = validate_call(function)
        except (PydanticUserError, PydanticSchemaGenerationError, NameError, ToolRefused) as exc:
            msg = f"the tool {name} cannot be described to a model: {one_line(str(exc))}"
            raise InputRefused(msg) from exc
        if schema.get("type") != "object":
            msg = f"the tool {name} has arguments that cannot be given by name"
            raise InputRefused(msg)
        return tool


def _text(result: object) -> str:
    if isinstance(result, str):
        return result
    try:
        return _ANYTHING.dump_json(result).decode()
    except ValueError:  # it has no form in JSON
        return str(result)


def _failure(tool: Tool, exc: Exception) -> str:
    _log.warning("the tool %s has failed", tool.name, exc_info=exc)
    if isinstance(exc, ValidationError):
        found = [(".".join(map(str, each["loc"])), each["msg"]) for each in exc.errors()]
        return "Error: " + "; ".join(f"{where}: {what}" for where, what in found)
    return f"Error: {type(exc).__name__}: {one_line(str(exc))}"
