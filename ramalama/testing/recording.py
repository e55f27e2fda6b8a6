"""The recording of one file of tests, while they run."""

from __future__ import annotations

import threading
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

from ramalama.system.locks import locked
from ramalama.testing.recording_file import RecordedAnswer, RecordingFile, key_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ramalama.testing.socket_server import HttpRequest


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
        self._kept = RecordingFile.read(file)
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
            return self._new_models.get(label) or self._kept.models.get(label)

    def note_model(self, label: str, facts: Mapping[str, object]) -> None:
        """Record *facts* of a model, unless there are any."""
        with self._lock:
            known = self._new_models if self._mode is RecordMode.ALL else self._kept.models
            if known.get(label) is None:
                self._kept.models[label] = self._new_models[label] = dict(facts)
                self._saved = False

    def next_answer(self, request: HttpRequest) -> RecordedAnswer | None:
        """Return the answer to *request*, which is asked once more; None if it is to be asked."""
        key = key_of(request)
        with self._lock:
            number = self._asked[key]
            self._asked[key] += 1
            new = self._new.get(key)
            if new is not None:
                # Asked more often than in the tests before, it may be meant to differ.
                return new[number] if number < len(new) else None
            if self._mode is RecordMode.ALL:
                return None
            answers = self._kept.exchanges.get(key)
            return answers[min(number, len(answers) - 1)] if answers else None

    def add(self, request: HttpRequest, answer: RecordedAnswer) -> None:
        """Record *answer* as the next one to *request*."""
        with self._lock:
            self._new.setdefault(key_of(request), []).append(answer)
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
        there = RecordingFile.read(self.file)
        keeps = self._mode is not RecordMode.ALL
        for label, facts in self._new_models.items():
            there.models[label] = there.models.get(label, facts) if keeps else facts
        for key, answers in self._new.items():
            before = there.exchanges.get(key, [])
            longer = keeps and len(before) > len(answers)
            there.exchanges[key] = before if longer else answers
        there.write(self.file)
