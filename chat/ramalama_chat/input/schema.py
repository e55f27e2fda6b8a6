"""A JSON schema that answers are held to."""

import json
from pathlib import Path

from ramalama_chat.errors import InputRefused
from ramalama_chat.input.attachments import read_bounded
from ramalama_values.json import is_object, parse_json

_MOST_BYTES = 1024 * 1024


def read_schema(path: Path) -> dict[str, object]:
    """Return what "response_format" is to be, so that answers follow the JSON schema at *path*.

    Raises:
        InputRefused: there is no JSON object; whether it is a schema, the server says.

    """
    try:
        schema = parse_json(read_bounded(path, limit=_MOST_BYTES))
    except ValueError as exc:
        msg = f"{str(path)!r} {exc}"
        raise InputRefused(msg) from exc
    try:
        # What Python reads, but JSON cannot carry: NaN, 1e400, half of a surrogate pair.
        json.dumps(schema, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as exc:
        msg = f"{str(path)!r} is no JSON that a request can carry"
        raise InputRefused(msg) from exc
    if not is_object(schema):
        msg = f"{str(path)!r} is no JSON schema: that is an object"
        raise InputRefused(msg)
    format_ = {"name": "answer", "schema": schema, "strict": True}
    return {"type": "json_schema", "json_schema": format_}
