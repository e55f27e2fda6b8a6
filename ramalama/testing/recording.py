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
import threading
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ramalama.errors import ConfigError
from ramalama.system.locks import locked
from ramalama_values import frozen
from ramalama_values.json import is_array, is_count, is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ramalama.testing.socket_server import HttpRequest

_VERSION: Final = 1


class RecordMode(StrEnum):
    """What happens to the requests of a test."""

    OFF = "off"
    """A model answers each of them, and nothing is recorded."""
    NONE = "none"
    """Recorded answers are used; a request without one fails the test. No model is started."""
    ONCE = "once"
    """Recorded answers are used; a model answers other requests, and these are recorded."""
    ALL = "all"
    """A model answers each of them, and the recorded answers are replaced."""


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


class Recording:
    """The recording of one file of tests; it may be used from any thread.

    Attributes:
        file: its path; it need not exist.
        misses: what was asked in the current test, and neither recorded nor answered.
    """

    def __init__(self, file: Path, *, mode: RecordMode) -> None:
        self.file = file
        self.misses: list[str] = []
        self._mode = mode
        self._lock = threading.RLock()
        self._asked = Counter[str]()  # in the current test
        self._models, self._exchanges = _read(file)
        self._new_models: dict[str, dict[str, object]] = {}
        self._new: dict[str, list[RecordedAnswer]] = {}  # recorded in this run
        self._saved = True

    def begin_test(self) -> None:
        """Forget what the test before has asked."""
        with self._lock:
            self._asked.clear()
            self.misses.clear()

    def model(self, label: str) -> Mapping[str, object] | None:
        """Return what is recorded of a model; None for nothing."""
        with self._lock:
            return self._new_models.get(label) or self._models.get(label)

    def note_model(self, label: str, facts: Mapping[str, object]) -> None:
        """Record *facts* of a model, unless there are any."""
        with self._lock:
            known = self._new_models if self._mode is RecordMode.ALL else self._models
            if known.get(label) is None:
                self._models[label] = self._new_models[label] = dict(facts)
                self._saved = False

    def next_answer(self, request: HttpRequest) -> RecordedAnswer | None:
        """Return the answer to *request*, which is asked once more; None if it is to be asked."""
        key = _key(_written(request))
        with self._lock:
            number = self._asked[key]
            self._asked[key] += 1
            new = self._new.get(key)
            if new is not None:
                # Asked more often than in the tests before, it may be meant to differ.
                return new[number] if number < len(new) else None
            if self._mode is RecordMode.ALL:
                return None
            answers = self._exchanges.get(key)
            return answers[min(number, len(answers) - 1)] if answers else None

    def add(self, request: HttpRequest, answer: RecordedAnswer) -> None:
        """Record *answer* as the next one to *request*."""
        with self._lock:
            self._new.setdefault(_key(_written(request)), []).append(answer)
            self._saved = False

    def save(self) -> None:
        """Write what is new, beside what other processes have written meanwhile."""
        with self._lock:
            if self._saved:
                return
            self.file.parent.mkdir(parents=True, exist_ok=True)
            lock = self.file.with_name(f".{self.file.name}.lock")
            with locked(lock):
                self._merge()
                lock.unlink(missing_ok=True)
            self._saved = True

    def _merge(self) -> None:
        models, exchanges = _read(self.file)
        keeps = self._mode is not RecordMode.ALL
        for label, facts in self._new_models.items():
            models[label] = models.get(label, facts) if keeps else facts
        for key, answers in self._new.items():
            before = exchanges.get(key, [])
            exchanges[key] = before if keeps and len(before) > len(answers) else answers
        content = {
            "version": _VERSION,
            "models": models,
            "exchanges": [
                {"request": json.loads(key), "answers": [each.write() for each in answers]}
                for key, answers in exchanges.items()
            ],
        }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        unfinished = self.file.with_name(f".{self.file.name}.new")
        unfinished.write_text(f"{text}\n", encoding="utf-8")
        unfinished.replace(self.file)


def _written(request: HttpRequest) -> dict[str, object]:
    """Return *request* as it is written to a file."""
    head: dict[str, object] = {"method": request.method, "path": request.path}
    if not request.body:
        return head
    try:
        return {**head, "json": parse_json(request.body)}
    except ValueError:
        return {**head, "text": request.body.decode(errors="replace")}


def _key(written: object) -> str:
    return json.dumps(written, sort_keys=True, ensure_ascii=False)


def _read(
    file: Path,
) -> tuple[dict[str, dict[str, object]], dict[str, list[RecordedAnswer]]]:
    """Return the models and the exchanges of *file*; none if it does not exist.

    Raises:
        ConfigError: it cannot be read, or it is not a recording.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return {}, {}
    except OSError as exc:
        msg = f"{file} cannot be read: {exc.strerror}"
        raise ConfigError(msg) from exc
    try:
        return _parse(parse_json(content))
    except ValueError as exc:
        msg = f"{file} {exc}; remove it to record it again"
        raise ConfigError(msg) from exc


def _parse(
    value: object,
) -> tuple[dict[str, dict[str, object]], dict[str, list[RecordedAnswer]]]:
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
    return {label: facts for label, facts in known.items() if is_object(facts)}, found
