"""Read the JSON schema that answers must follow."""

import json
from collections.abc import Mapping
from pathlib import Path

from ramalama_chat.errors import InputRefused
from ramalama_chat.input.attachments import read_bounded
from ramalama_values.json import is_object, parse_json

_MOST_BYTES = 1024 * 1024


def read_schema(path: Path) -> dict[str, object]:
    """Return a "response_format" that makes answers follow the JSON schema at *path*.

    Raises:
        InputRefused: the file is not a JSON object. The server checks whether it is a schema.

    """
    try:
        schema = parse_json(read_bounded(path, limit=_MOST_BYTES))
    except ValueError as exc:
        msg = f"{str(path)!r} {exc}"
        raise InputRefused(msg) from exc
    if not is_object(schema):
        msg = f"{str(path)!r} is not a JSON schema, which must be an object"
        raise InputRefused(msg)
    return response_format(schema, repr(str(path)))


def response_format(schema: Mapping[str, object], name: str = "schema") -> dict[str, object]:
    """Return a "response_format" that makes answers follow *schema*, which users know as *name*.

    Raises:
        InputRefused: it is not JSON.

    """
    try:
        # Python reads values that JSON cannot carry: NaN, 1e400, half of a surrogate pair.
        json.dumps(schema, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        msg = f"{name} is not JSON that a request can carry"
        raise InputRefused(msg) from exc
    format_ = {"name": "answer", "schema": schema, "strict": True}
    return {"type": "json_schema", "json_schema": format_}
