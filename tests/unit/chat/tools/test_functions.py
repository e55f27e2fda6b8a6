"""Functions of a program as tools."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from datetime import date  # noqa: TC003 - read at run time
from typing import TYPE_CHECKING, Annotated

import pytest
from pydantic import BaseModel, Field

from ramalama_chat import InputRefused
from ramalama_chat.tools.functions import FunctionTools

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Place(BaseModel):
    name: str
    north: float = 0.0


def weather(place: Place, day: Annotated[date, Field(description="the day")]) -> dict[str, object]:
    """Return the weather.

    Args:
        place: where
    """
    return {"place": place.name, "day": day, "north": place.north}


async def far_weather(place: str) -> str:
    """Return the weather, as a coroutine."""
    await asyncio.sleep(0)
    return f"{place}: sun"


def broken(kind: str) -> str:
    """Fail."""
    if kind == "exit":
        raise SystemExit(3)
    msg = "out of\norder"
    raise RuntimeError(msg)


def nothing() -> None:
    """Do nothing."""


def odd() -> object:
    """Return what is no JSON."""
    return threading.current_thread()


class Shop:
    def price(self, name: str) -> int:
        """Return a price."""
        return len(name)


def call(function: Callable[..., object], arguments: Mapping[str, object]) -> str:
    tools = FunctionTools([function])
    return tools.call(tools.tools[0], arguments)


def acall(function: Callable[..., object], arguments: Mapping[str, object]) -> str:
    tools = FunctionTools([function], coroutines=True)
    return asyncio.run(tools.acall(tools.tools[0], arguments))


def test_a_tool_is_described_by_its_signature_and_its_docstring() -> None:
    (tool,) = FunctionTools([weather]).tools

    assert (tool.name, tool.own_name) == ("weather", "weather")
    assert tool.description == "Return the weather.\n\nArgs:\n    place: where"
    assert tool.schema["required"] == ["place", "day"]
    properties = tool.schema["properties"]
    assert isinstance(properties, dict)
    assert properties["day"]["format"] == "date"
    assert properties["day"]["description"] == "the day"


@pytest.mark.parametrize("use", [call, acall])
@pytest.mark.parametrize(
    ("function", "arguments", "result"),
    [
        (
            weather,
            {"place": {"name": "Rom", "north": "41.9"}, "day": "2026-01-02"},
            '{"place":"Rom","day":"2026-01-02","north":41.9}',
        ),
        (weather, {"place": {}, "day": "2026-01-02"}, "Error: place.name: Field required"),
        (weather, {"day": "2026-01-02"}, "Error: place: Missing required argument"),
        (nothing, {"more": 1}, "Error: more: Unexpected keyword argument"),
        (broken, {"kind": "any"}, r"Error: RuntimeError: out of order"),
        (nothing, {}, "null"),
        (Shop().price, {"name": "bread"}, "5"),
    ],
)
def test_a_call_is_checked_converted_and_answered_in_text(
    use: Callable[[Callable[..., object], Mapping[str, object]], str],
    function: Callable[..., object],
    arguments: Mapping[str, object],
    result: str,
) -> None:
    assert use(function, arguments) == result


def test_a_result_that_is_no_json_is_a_text() -> None:
    assert "MainThread" in call(odd, {})


def test_an_asynchronous_chat_runs_coroutines_in_its_loop_and_others_in_a_thread() -> None:
    assert acall(far_weather, {"place": "Rom"}) == "Rom: sun"
    assert "MainThread" not in acall(odd, {})


def test_a_tool_that_ends_the_program_ends_it() -> None:
    with pytest.raises(SystemExit):
        call(broken, {"kind": "exit"})


def test_what_a_tool_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ramalama.chat"):
        call(broken, {"kind": "any"})

    (record,) = caplog.records
    assert "the tool broken has failed" in record.getMessage()
    assert record.exc_info is not None


def by_position(a: int, /) -> int:
    """Take an argument without a name."""
    return a


def unknown(a: threading.Thread) -> None:
    """Take what no JSON describes."""


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (far_weather, "the tool far_weather is a coroutine function; use an asynchronous chat"),
        (lambda: 0, "the tool <lambda> cannot be described to a model"),
        (unknown, "the tool unknown cannot be described to a model"),
        (by_position, "the tool by_position (has arguments|cannot be described)"),
        (functools.partial(weather), "cannot be described to a model"),
        (3, "the tool 3 cannot be described"),
    ],
)
def test_a_function_that_is_no_tool_is_refused_by_its_name(
    function: Callable[..., object], why: str
) -> None:
    with pytest.raises(InputRefused, match=why):
        FunctionTools([function])
