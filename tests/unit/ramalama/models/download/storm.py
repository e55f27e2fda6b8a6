"""kill -9 at random moments of a download, and a look at what is left each time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.models.download.journal import Journal, total
from tests.doubles.faults import faulty, slow
from tests.doubles.server import FileServer, serve_bytes
from tests.unit.ramalama.models.download.kit import KIB, SMALL, FolderShelf, digest_of

if TYPE_CHECKING:
    import random
    from pathlib import Path

_RATE = 500 * KIB  # of each of the four connections
_READ = 64 * KIB  # the most that a stream has in its hands
# What a kill may cost.
BOUND = SMALL.unsaved + SMALL.most_streams * _READ


@dataclass(frozen=True)
class Remains:
    """What a kill has left: bytes in the file, and bytes that the journal speaks of."""

    written: int
    saved: int

    @property
    def lost(self) -> int:
        return self.written - self.saved


def start_child(url: str, directory: Path, content: bytes | None) -> subprocess.Popen[str]:
    """Start a download; without *content* it knows neither the size nor the digest."""
    known = [] if content is None else [str(len(content)), str(digest_of(content))]
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.unit.ramalama.models.download.child",
            url,
            str(directory),
            *(known or ["0", ""]),
        ],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Storm:
    """Downloads *content* into *directory* again and again."""

    def __init__(self, content: bytes, directory: Path, chance: random.Random) -> None:
        self._content = content
        self._directory = directory
        self._chance = chance
        self._whole = len(content) / (4 * _RATE)
        self.completed = 0

    def kills(self, number: int) -> list[Remains]:
        """Kill so many times; check each time what is left, and each file that is complete."""
        found: list[Remains] = []
        honest = faulty(serve_bytes(self._content), slow(_RATE))
        with FileServer({"/blob": honest}) as server:
            while len(found) < number:
                if self._kill(server):
                    found.append(self._look())
                else:
                    self._check_and_forget()
            child = start_child(f"{server.url}/blob", self._directory, self._content)
            _, errors = child.communicate()
            assert child.returncode == 0, errors
            self._check_and_forget()
        return found

    def _kill(self, server: FileServer) -> bool:
        """Start a download and kill it some time after its first request; False if too late."""
        before = len(server.requests)
        child = start_child(f"{server.url}/blob", self._directory, self._content)
        while len(server.requests) == before and child.poll() is None:
            time.sleep(0.001)
        time.sleep(self._chance.uniform(0, self._whole))
        child.kill()
        child.communicate()
        return child.returncode != 0

    def _look(self) -> Remains:
        digest = digest_of(self._content)
        data = self._directory / "partial" / f"{digest.file_name}.data"
        journal = data.with_suffix(".json")
        assert FolderShelf(self._directory / "shelf").find(digest) is None or not data.exists()
        if not data.exists():
            return Remains(0, 0)
        came = data.read_bytes()
        written = sum(a == b for a, b in zip(came, self._content, strict=False) if a)
        if not journal.exists():
            return Remains(written, 0)
        known = Journal.parse(journal.read_bytes())
        for start, end in known.spans:
            assert came[start:end] == self._content[start:end]
        zeros = sum(self._content[start:end].count(0) for start, end in known.spans)
        return Remains(written, total(known.spans) - zeros)

    def _check_and_forget(self) -> None:
        (path,) = (self._directory / "shelf").iterdir()
        assert path.read_bytes() == self._content
        path.unlink()
        self.completed += 1
