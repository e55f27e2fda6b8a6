"""Parse untrusted JSON: one object without duplicate fields; exceptions do not contain the text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ramalama.models.transports.json_fields import is_object

if TYPE_CHECKING:
    from collections.abc import Mapping


class _AmbiguousObject(ValueError):
    """A field occurs twice in an object."""


def parse_object(content: bytes) -> Mapping[str, object]:
    """Parse one JSON object in which, at any depth, no field occurs twice.

    Raises:
        ValueError: it is something else; the message says what.
    """
    try:
        value: object = json.loads(content.decode(), object_pairs_hook=_unambiguous)
    except RecursionError:
        msg = "it is nested too deeply"
        raise ValueError(msg) from None
    except UnicodeDecodeError:
        msg = "it is not UTF-8"
        raise ValueError(msg) from None
    except json.JSONDecodeError as exc:
        msg = f"it is not JSON (line {exc.lineno}, column {exc.colno})"
        raise ValueError(msg) from None
    except _AmbiguousObject:
        raise
    except ValueError:  # Python's message for this is meant for programmers
        msg = "it has a number with too many digits"
        raise ValueError(msg) from None
    if not is_object(value):
        msg = "it is not a JSON object"
        raise ValueError(msg)
    return value


def _unambiguous(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        msg = "a field occurs twice in it"
        raise _AmbiguousObject(msg)
    return fields
