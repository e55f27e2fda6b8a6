"""The schema that an answer must follow, and the value that its text has by it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from ramalama_chat.errors import AnswerInvalid, InputRefused
from ramalama_chat.input.schema import response_format
from ramalama_values.json import parse_json
from ramalama_values.text import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSchema:
    """*response_format* goes into the request; *parse* raises ValueError for other texts."""

    response_format: Mapping[str, object]
    parse: Callable[[str], object]

    def read(self, text: str, *, complete: bool) -> object:
        """Return the value of *text*.

        Raises:
            AnswerInvalid: it is not *complete*, or it does not follow the schema.

        """
        if not complete:
            msg = "the answer is not complete, so it has no value yet"
            raise AnswerInvalid(msg, hint="read it to its end first")
        try:
            return self.parse(text)
        except ValidationError as exc:
            why = "; ".join(_problem(each["loc"], each["msg"]) for each in exc.errors())
        except ValueError as exc:
            why = str(exc)
        msg = f"the answer does not follow the schema: {one_line(why)}"
        raise AnswerInvalid(msg, hint="was it cut off? See finish_reason")


def read_schema(schema: type[object] | Mapping[str, object]) -> AnswerSchema:
    """Return the schema of a type that pydantic knows, or of a JSON schema.

    Raises:
        InputRefused: there is none.

    """
    if isinstance(schema, Mapping):
        return AnswerSchema(response_format=response_format(dict(schema)), parse=parse_json)
    try:
        adapter = TypeAdapter[object](schema)
        described = adapter.json_schema()
    except (PydanticUserError, PydanticSchemaGenerationError) as exc:
        name = getattr(schema, "__name__", repr(schema))
        msg = f"schema: {name} has no JSON schema: {one_line(str(exc))}"
        raise InputRefused(msg) from exc
    return AnswerSchema(response_format=response_format(described), parse=adapter.validate_json)


def _problem(where: tuple[int | str, ...], what: str) -> str:
    return f"{'.'.join(map(str, where))}: {what}" if where else what
