"""Finds the recording of the test that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import RamalamaError
from ramalama.testing.recording import Recording, RecordMode

if TYPE_CHECKING:
    from pathlib import Path


class NotRecorded(RamalamaError):
    """Nothing is recorded, and no model may be started."""


class Recorder:
    """The recordings of a run of tests: each file of tests has one, beside it.

    Attributes:
        mode: what happens to requests.
        current: the recording of the test that runs; None before the first test.
    """

    def __init__(self, mode: RecordMode) -> None:
        self.mode = mode
        self.current: Recording | None = None
        self._recordings: dict[Path, Recording] = {}

    def begin(self, tests: Path) -> None:
        """Begin a test of the file *tests*."""
        file = tests.parent / "recordings" / f"{tests.stem}.json"
        if file not in self._recordings:
            self._recordings[file] = Recording(file, mode=self.mode)
        self.current = self._recordings[file]
        self.current.begin_test()

    def save(self) -> None:
        """Write what was recorded since the last time."""
        for recording in self._recordings.values():
            recording.save()

    def recording(self) -> Recording:
        """Return the recording of the test that runs.

        Raises:
            NotRecorded: no test runs.
        """
        if self.current is None:
            msg = "requests are recorded within tests only"
            raise NotRecorded(msg)
        return self.current
