"""Save a conversation to a file, and load it again; the file's content is not trusted.

{"ramalama_talk": 1, "system": text or null, "parameters": {name: value},
 "exchanges": [{"prompt": text, "answer": text, "images": [data URL]}]}
"""

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, cast

from ramalama_chat.errors import InputRefused
from ramalama_chat.input.attachments import read_bounded
from ramalama_chat.session.conversation import Exchange
from ramalama_chat.session.parameters import PARAMETERS, read_parameter
from ramalama_values.json import is_object, parse_json

_VERSION = 1
_MARK = "ramalama_talk"
_MOST_BYTES = 64 * 1024 * 1024
_IMAGE = r"data:image/[a-z]+;base64,[A-Za-z0-9+/]*={0,2}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A conversation: its exchanges, its system prompt, and the parameters of its requests."""

    system: str | None
    exchanges: tuple[Exchange, ...]
    parameters: Mapping[str, object]


def save_transcript(path: Path, transcript: Transcript) -> None:
    """Write *transcript* to *path* atomically, readable only by its owner.

    Raises:
        InputRefused: *path* exists and is not a saved conversation, or it cannot be written.

    """
    content = {
        _MARK: _VERSION,
        "system": transcript.system,
        "parameters": {k: v for k, v in transcript.parameters.items() if k in _MEMBERS},
        "exchanges": [
            {"prompt": each.prompt, "answer": each.answer, "images": list(each.images)}
            for each in transcript.exchanges
        ],
    }
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _refuse_other_file(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(beside, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
        beside.replace(path)
    except OSError as exc:
        with suppress(OSError):
            beside.unlink()
        msg = f"{str(path)!r} cannot be written: {exc.strerror}"
        raise InputRefused(msg) from exc
    except ValueError as exc:  # a NUL in the name
        msg = f"{str(path)!r} is not a file name"
        raise InputRefused(msg) from exc


def _refuse_other_file(path: Path) -> None:
    if not os.path.lexists(path):
        return
    try:
        load_transcript(path)
    except InputRefused as exc:
        msg = f"{str(path)!r} exists and was not written by /save: choose another name"
        raise InputRefused(msg) from exc


def load_transcript(path: Path) -> Transcript:
    """Read the conversation at *path*.

    Raises:
        InputRefused: the file does not exist, or it was not written by `save_transcript`.

    """
    try:
        value = parse_json(read_bounded(path, limit=_MOST_BYTES))
    except ValueError:
        _refuse(path)
    if not is_object(value) or value.get(_MARK) != _VERSION:
        _refuse(path)
    system, exchanges = value.get("system"), value.get("exchanges")
    parameters = value.get("parameters")
    if not (system is None or isinstance(system, str)) or not isinstance(exchanges, list):
        _refuse(path)
    return Transcript(
        system=system,
        exchanges=tuple(_exchange(path, each) for each in cast("list[object]", exchanges)),
        parameters=_parameters(parameters if is_object(parameters) else {}),
    )


def _exchange(path: Path, value: object) -> Exchange:
    if is_object(value):
        prompt, answer, images = value.get("prompt"), value.get("answer"), value.get("images", [])
        if isinstance(prompt, str) and isinstance(answer, str) and isinstance(images, list):
            urls = cast("list[object]", images)
            # With any other URL, the author of the file could make the server fetch it.
            good = [url for url in urls if isinstance(url, str) and re.fullmatch(_IMAGE, url)]
            if len(good) == len(urls):
                return Exchange(prompt, answer, tuple(good))
    return _refuse(path)


def _parameters(values: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters that a user may set, checked by the same rules."""
    taken: dict[str, object] = {}
    for name, value in values.items():
        if name == "stop" and isinstance(value, list):
            taken[name] = [text for text in cast("list[object]", value) if isinstance(text, str)]
        elif name in _MEMBERS:
            member, checked = read_parameter(name, str(value))
            taken[member] = checked
    return taken


_MEMBERS = frozenset(parameter.member for parameter in PARAMETERS.values())


def _refuse(path: Path) -> NoReturn:
    msg = f"{str(path)!r} is not a conversation that /save has written"
    raise InputRefused(msg) from None
