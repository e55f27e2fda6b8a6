"""The sampling parameters that a user may set during a conversation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ramalama_chat.errors import InputRefused


def _fraction(text: str) -> float:
    return _within(float(text), 0.0, 1.0)


def _temperature(text: str) -> float:
    return _within(float(text), 0.0, 100.0)


def _penalty(text: str) -> float:
    return _within(float(text), -2.0, 2.0)


def _repetition(text: str) -> float:
    return _within(float(text), 0.0, 10.0)


def _integer(text: str) -> int:
    return int(_within(int(text), -(2**31), 2**32))


def _count(text: str) -> int:
    return int(_within(int(text), 1, 2**31 - 1))


def _texts(text: str) -> list[str]:
    return [text]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its name in the chat API, how its value is parsed, and what is expected."""

    member: str
    read: Callable[[str], object]
    expected: str


PARAMETERS: Mapping[str, Parameter] = {
    "temperature": Parameter("temperature", _temperature, "a number, 0 or more"),
    "seed": Parameter("seed", _integer, "an integer"),
    "top_p": Parameter("top_p", _fraction, "a number from 0 to 1"),
    "top_k": Parameter("top_k", _integer, "an integer"),
    "min_p": Parameter("min_p", _fraction, "a number from 0 to 1"),
    "max_tokens": Parameter("max_tokens", _count, "an integer, 1 or more"),
    "num_predict": Parameter("max_tokens", _count, "an integer, 1 or more"),
    "presence_penalty": Parameter("presence_penalty", _penalty, "a number from -2 to 2"),
    "frequency_penalty": Parameter("frequency_penalty", _penalty, "a number from -2 to 2"),
    "repeat_penalty": Parameter("repeat_penalty", _repetition, "a number, 0 or more"),
    "stop": Parameter("stop", _texts, "a text"),
}
# Parameters that are fixed when the server starts.
_OF_THE_SERVER = {"num_ctx": "--ctx-size", "num_gpu": "--ngl", "num_thread": "--threads"}


def read_parameter(name: str, text: str) -> tuple[str, object]:
    """Return the member of the request that *name* sets, and its parsed value.

    Raises:
        InputRefused: there is no such parameter, or *text* is not a valid value for it.

    """
    if name in _OF_THE_SERVER:
        option = _OF_THE_SERVER[name]
        msg = f"{name} is fixed when the server starts: leave the chat, and start it with {option}"
        raise InputRefused(msg)
    parameter = PARAMETERS.get(name)
    if parameter is None:
        msg = f"there is no parameter {name!r}; use one of: {', '.join(PARAMETERS)}"
        raise InputRefused(msg)
    try:
        return parameter.member, parameter.read(text)
    except (ValueError, OverflowError):
        msg = f"{name} must be {parameter.expected}, not {text!r}"
        raise InputRefused(msg) from None


def set_reasoning(parameters: dict[str, object], *, on: bool) -> None:
    """Set whether the model reasons, by the template variable that Qwen introduced."""
    parameters.pop("chat_template_kwargs", None)
    if not on:
        parameters["chat_template_kwargs"] = {"enable_thinking": False}


def _within(value: float, least: float, most: float) -> float:
    if not least <= value <= most:  # false for NaN, too
        raise ValueError
    return value
