"""A file with requests to a model and its answers, for tests that run without the model.

    {"version": 1,
     "models": {"smollm2:135m": {"name": "smollm2"}},
     "exchanges": [
       {"request": {"method": "POST", "path": "/v1/chat/completions", "json": {…}},
        "answers": [{"status": 200, "type": "text/event-stream", "events": ["data: {…}", …]}]}]}

A request is found by its method, path and body. Headers are never written, so no key is. Of equal
requests in one test, the second gets the second answer, and so on; the last answer is repeated.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from ramalama.errors import ConfigError
from ramalama_values import frozen
from ramalama_values.json import is_array, is_count, is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ramalama.testing.socket_server import HttpRequest

_VERSION: Final = 1


@frozen()
class RecordedAnswer:
    """An answer; *cut* says that the client left, or the server died, before its end."""

    status: int
    content_type: str
    text: str
    cut: bool = False

    @classmethod
    def read(cls, value: object) -> RecordedAnswer:
        """Read an answer of a file.

        Raises:
            ValueError: it is not one.
        """
        if not is_object(value):
            msg = "has an answer that is not an object"
            raise ValueError(msg)
        status, kind = value.get("status"), value.get("type")
        if not (is_count(status) and isinstance(kind, str)):
            msg = 'has an answer without "status" or "type"'
            raise ValueError(msg)
        events = value.get("events")
        if is_array(events):
            text = "".join(f"{event}\n\n" for event in events)
        elif "json" in value:
            text = json.dumps(value["json"])
        else:
            text = str(value.get("text", ""))
        return cls(status=status, content_type=kind, text=text, cut=value.get("cut") is True)

    def write(self) -> dict[str, object]:
        """Return the answer for a file: events and JSON so that a reader can read them."""
        head: dict[str, object] = {"status": self.status, "type": self.content_type}
        if self.cut:
            head["cut"] = True
        if self.content_type.startswith("text/event-stream"):
            events = self.text.split("\n\n")
            return {**head, "events": events[:-1]}  # without an event that has no end
        try:
            return {**head, "json": parse_json(self.text)}
        except ValueError:
            return {**head, "text": self.text}

    def pieces(self) -> Iterator[bytes]:
        """Yield the body in the pieces in which it is sent: each event by itself."""
        for event in self.text.split("\n\n")[:-1]:
            yield f"{event}\n\n".encode()


@frozen()
class RecordingFile:
    """What a file has: facts of each model, and the answers to each request.

    Attributes:
        models: by the name that the tests use.
        exchanges: by the key of the request, see `key_of`.
    """

    models: dict[str, dict[str, object]]
    exchanges: dict[str, list[RecordedAnswer]]

    @classmethod
    def read(cls, file: Path) -> RecordingFile:
        """Read *file*; there is nothing in one that does not exist.

        Raises:
            ConfigError: it cannot be read, or it is not a recording.
        """
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return cls(models={}, exchanges={})
        except OSError as exc:
            msg = f"{file} cannot be read: {exc.strerror}"
            raise ConfigError(msg) from exc
        try:
            return _parse(parse_json(content))
        except ValueError as exc:
            msg = f"{file} {exc}; remove it to record it again"
            raise ConfigError(msg) from exc

    def write(self, file: Path) -> None:
        """Replace *file* atomically."""
        content = {
            "version": _VERSION,
            "models": self.models,
            "exchanges": [
                {"request": json.loads(key), "answers": [each.write() for each in answers]}
                for key, answers in self.exchanges.items()
            ],
        }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        unfinished = file.with_name(f".{file.name}.new")
        unfinished.write_text(f"{text}\n", encoding="utf-8")
        unfinished.replace(file)


def key_of(request: HttpRequest) -> str:
    """Return the JSON text by which *request* is found again."""
    head: dict[str, object] = {"method": request.method, "path": request.path}
    if not request.body:
        return _key(head)
    try:
        return _key({**head, "json": parse_json(request.body)})
    except ValueError:
        return _key({**head, "text": request.body.decode(errors="replace")})


def _key(written: object) -> str:
    return json.dumps(written, sort_keys=True, ensure_ascii=False)


def _parse(value: object) -> RecordingFile:
    if not is_object(value) or value.get("version") != _VERSION:
        msg = f"is no recording of version {_VERSION}"
        raise ValueError(msg)
    models, exchanges = value.get("models"), value.get("exchanges")
    found: dict[str, list[RecordedAnswer]] = {}
    for exchange in exchanges if is_array(exchanges) else []:
        answers = exchange.get("answers") if is_object(exchange) else None
        if not is_object(exchange) or not is_array(answers) or not answers:
            msg = 'has an exchange without "request" or "answers"'
            raise ValueError(msg)
        found[_key(exchange.get("request"))] = [RecordedAnswer.read(each) for each in answers]
    known = models if is_object(models) else {}
    return RecordingFile(
        models={label: facts for label, facts in known.items() if is_object(facts)},
        exchanges=found,
    )
