"""What is asked for one answer: the prompt, and what was given with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict, cast

from ramalama_chat.errors import InputRefused

if TYPE_CHECKING:
    from typing import Unpack

    from ramalama_chat.session.answer_schema import AnswerSchema
    from ramalama_chat.session.tool_loop import ToolLoop


_LONGEST_WAIT = 1e9  # seconds; sockets and locks of the system take no more than some 1e9


class AskOptions(TypedDict, total=False):
    """What may be given for one answer; see `ChatSession.ask`."""

    images: Sequence[str]
    on_reasoning: Callable[[str], None] | None
    max_tokens: int | None
    temperature: float | None
    timeout: float | None
    stop: str | Sequence[str] | None
    tools: Sequence[Callable[..., object]] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A prompt with what was given for its answer.

    *members* are members of the request. *stop* ends the answer, beside the texts of the session.
    *timeout* is in seconds for the whole answer. *tools* take the place of the session's.
    """

    prompt: str
    images: Sequence[str] = ()
    on_reasoning: Callable[[str], None] | None = None
    members: Mapping[str, object] = field(default_factory=dict[str, object])
    stop: Sequence[str] = ()
    timeout: float | None = None
    schema: "AnswerSchema | None" = None
    tools: "ToolLoop | None" = None


def read_question(
    prompt: str,
    schema: type[object] | Mapping[str, object] | None = None,
    *,
    coroutines: bool = False,
    **options: "Unpack[AskOptions]",
) -> Question:
    """Return the question; with *coroutines*, tools may be coroutine functions.

    Raises:
        InputRefused: a value is not valid; the message names it.

    """
    stop, tools = options.get("stop"), options.get("tools")
    given: Mapping[str, object] = {**options}
    members = {
        name: _checked(name, value)
        for name in ("max_tokens", "temperature")
        if (value := given.get(name)) is not None
    }
    shape = None if schema is None else _schema(schema)
    if shape is not None:
        members["response_format"] = shape.response_format
    return Question(
        prompt=_prompt(prompt),
        images=options.get("images", ()),
        on_reasoning=options.get("on_reasoning"),
        members=members,
        stop=() if stop is None else _texts(stop),
        timeout=_seconds(options.get("timeout")),
        schema=shape,
        tools=_functions(tools, coroutines=coroutines) if tools else None,
    )


def _prompt(value: object) -> str:
    if isinstance(value, str):
        return value
    msg = f"prompt must be a text, not {value!r}"
    raise InputRefused(msg)


def _checked(name: str, value: object) -> object:
    from ramalama_chat.session.parameters import read_parameter  # noqa: PLC0415 - rarely given

    return read_parameter(name, str(value))[1]


def _texts(value: object) -> Sequence[str]:
    if isinstance(value, str):
        return (value,)
    values = cast("Sequence[object]", value) if isinstance(value, Sequence) else (value,)
    texts = [each for each in values if isinstance(each, str)]
    if len(texts) == len(values):
        return texts
    msg = f"stop must be a text or several texts, not {value!r}"
    raise InputRefused(msg)


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return None if value > _LONGEST_WAIT else float(value)
    msg = f"timeout must be a number of seconds above 0, not {value!r}"
    raise InputRefused(msg)


def _schema(given: object) -> "AnswerSchema":
    from ramalama_chat.session.answer_schema import read_schema  # noqa: PLC0415 - rarely given

    if isinstance(given, str | bytes | int | float):
        msg = f"schema must be a class or a JSON schema, not {given!r}"
        raise InputRefused(msg)
    return read_schema(cast("type[object] | Mapping[str, object]", given))


def _functions(given: object, *, coroutines: bool) -> "ToolLoop":
    values = cast("Sequence[object]", given) if isinstance(given, Sequence) else (given,)
    functions = [each for each in values if callable(each)]
    if len(functions) < len(values) or not isinstance(given, Sequence):
        msg = f"tools must be a list of functions, not {given!r}"
        raise InputRefused(msg)
    from ramalama_chat.session.tool_loop import ToolLoop  # noqa: PLC0415 - rarely given
    from ramalama_chat.tools.functions import FunctionTools  # noqa: PLC0415 - likewise

    toolbox = FunctionTools(functions, coroutines=coroutines)
    return ToolLoop(toolbox=toolbox, approve=lambda _tool, _arguments: True)
