"""Changes to the JSON in an input, which changes to its bytes would mostly break.

A name or a value is taken away, or put in the place of another; or a value becomes one that
programs stumble over.
"""

from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import TYPE_CHECKING, cast

from tests.fuzz.answers import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Container = dict[str, object] | list[object]
    Place = tuple[Container, str | int]

_DIGITS = "digits " * 3  # stands for a number that no parser takes
_ODD: tuple[object, ...] = (
    None, True, False, 0, 1, -1, -(2**31), 2**31, 2**53, 2**63, 2**64, 10**400, 0.5, -0.0, 1e300,
    float("nan"), float("inf"), "", ".", "..", "/", "../x", "/etc/passwd", "a/../b", "a//b", "a\\b",
    "\ud800", "\0", "\n", "\x1b[2J", "\u202e", "é", "x" * 300, "a/" * 600, "@1", "@2", "@9",
    "sha256:", "model.gguf", "MODEL.GGUF", "m-00001-of-00002.gguf", "m-00001-of-99999.gguf", "http://[",
    list[object](), dict[str, object](), [list[object]()], _DIGITS,
)  # fmt: skip


def changed(
    data: bytes, most: int, seed: int, *, otherwise: Callable[[bytes, int], bytes]
) -> bytes:
    """Return *data* with a change, of at most *most* bytes; *otherwise* changes bytes."""
    chance = random.Random(seed)  # noqa: S311 (it has to come again)
    pieces = data.split(SEPARATOR)
    number = chance.randrange(len(pieces))
    if chance.random() < 1 / 3 or (piece := _changed_json(pieces[number], chance)) is None:
        return otherwise(data, most)
    pieces[number] = piece
    result = SEPARATOR.join(pieces)
    return result if len(result) <= most else otherwise(data, most)


def _changed_json(piece: bytes, chance: random.Random) -> bytes | None:
    """Change a value in the JSON at the end of *piece*; None if there is none, or one too deep."""
    starts = [start for start in map(piece.find, (b"{", b"[")) if start >= 0]
    if not starts:
        return None
    head, body = piece[: min(starts)], piece[min(starts) :]
    try:
        document: object = json.loads(body)
        for _ in range(chance.choice((1, 1, 2))):
            _change(document, chance)
        text = json.dumps(document)
    except (ValueError, RecursionError):
        return None
    return head + text.replace(json.dumps(_DIGITS), "1" * 5000).encode()


def _change(document: object, chance: random.Random) -> None:
    places = list(_places(document))
    if not places:
        return
    container, key = chance.choice(places)
    other, other_key = chance.choice(places)
    value = deepcopy(_value(other, other_key))
    match chance.randrange(6):
        case 0:
            _set(container, key, value)
        case 1 if isinstance(container, list):
            container += [value] * chance.choice((1, 3, 50))
        case 2 if isinstance(container, dict) and isinstance(other_key, str):
            container[other_key] = container.pop(cast("str", key))
        case 3:
            del container[key]  # type: ignore[arg-type]  # each is its container's own
        case _:
            _set(container, key, deepcopy(chance.choice(_ODD)))


def _places(document: object) -> Iterator[Place]:
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            fields = cast("dict[str, object]", value)
            yield from ((fields, key) for key in fields)
            pending += fields.values()
        elif isinstance(value, list):
            entries = cast("list[object]", value)
            yield from ((entries, index) for index in range(len(entries)))
            pending += entries


def _value(container: Container, key: str | int) -> object:
    return (
        container[cast("str", key)] if isinstance(container, dict) else container[cast("int", key)]
    )


def _set(container: Container, key: str | int, value: object) -> None:
    if isinstance(container, dict):
        container[cast("str", key)] = value
    else:
        container[cast("int", key)] = value
