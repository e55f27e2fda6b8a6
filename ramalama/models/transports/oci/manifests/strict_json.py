"""Parse untrusted JSON: one object without duplicate fields; exceptions do not contain the text.

The result can be written as JSON again: NaN and halves of surrogate pairs are rejected.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NoReturn

from ramalama.models.transports.json_fields import is_object

if TYPE_CHECKING:
    from collections.abc import Mapping

_SURROGATE = rb"\\u[dD][89a-fA-F]"  # usually one of a pair


class _Refused(ValueError):
    """The text has something that Python accepts but that is not allowed here."""


def parse_object(content: bytes) -> Mapping[str, object]:
    """Parse one JSON object in which, at any depth, no field occurs twice.

    Raises:
        ValueError: it is something else; the message says what.
    """
    try:
        value: object = json.loads(
            content.decode(), object_pairs_hook=_unambiguous, parse_constant=_refuse
        )
        if re.search(_SURROGATE, content):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        msg = "it is nested too deeply"
        raise ValueError(msg) from None
    except UnicodeEncodeError:
        msg = "it has half of a character"
        raise ValueError(msg) from None
    except UnicodeDecodeError:
        msg = "it is not UTF-8"
        raise ValueError(msg) from None
    except json.JSONDecodeError as exc:
        msg = f"it is not JSON (line {exc.lineno}, column {exc.colno})"
        raise ValueError(msg) from None
    except _Refused:
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
        raise _Refused(msg)
    return fields


def _refuse(constant: str) -> NoReturn:
    msg = f"it is not JSON, which has no {constant}"
    raise _Refused(msg)
