"""Say on an engine's host that a server's process still lives, or that the server is to be kept.

Where ssh leads to the host, this is said by files:

    RUN_DIR/NAME/lease    its time is renewed while the process of this server lives
    RUN_DIR/NAME/kept     the server is shared: its users are recorded on the host of its process
    RUN_DIR/clock         tells the time of that host, which may differ from ours

Elsewhere by empty volumes of the engine, which tells when it has made them. A volume is renewed by
the next one, since its time never changes:

    ramalama-lease-NAME.NUMBER
    ramalama-kept-NAME
    ramalama-clock-TOKEN
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Protocol

from ramalama.planning.labels import UPLOAD_LABEL
from ramalama_engines.errors import EngineError, RemoteFileError
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from ramalama_engines import Engine
    from ramalama_engines.route import RemoteFiles

_log = logging.getLogger("ramalama.remote")

_LEASE = "lease"
_KEPT = "kept"
_CLOCK = "clock"
_RENEWED_EVERY = 30.0  # seconds
_LEASE_TIME = 600.0  # seconds
_VOLUME = "ramalama-"


class Leases(Protocol):
    """The leases of servers on one host, by the names of the servers."""

    def begin(self, name: str) -> threading.Event:
        """Renew the lease of the server in a thread, until the event is set."""
        ...

    def keep(self, name: str) -> None:
        """Keep the server after its process has ended, whatever its lease."""
        ...

    def is_kept(self, name: str) -> bool:
        """Return whether `keep` was called for the server."""
        ...

    def is_over(self, name: str) -> bool:
        """Return whether no process has renewed the lease for ten minutes, by the clock there."""
        ...

    def names(self) -> Iterator[str]:
        """Yield the names of servers that have something here besides their own directory."""
        ...

    def remove(self, name: str) -> None:
        """Remove what says this of the server, besides its own directory."""
        ...


def _renewing(name: str, renew: Callable[[], bool]) -> threading.Event:
    """Call *renew* in a thread until it returns False or the event is set."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(_RENEWED_EVERY):
            try:
                if not renew():
                    return
            except EngineError as exc:
                _log.info("could not renew the lease of %s: %s", name, exc)

    threading.Thread(target=work, name="ramalama-lease", daemon=True).start()
    return ended


@frozen(kw_only=False)
class FileLeases:
    """The leases of servers whose directories are below *run_dir* on the host of *files*."""

    files: RemoteFiles
    run_dir: str

    def begin(self, name: str) -> threading.Event:
        """Renew the time of the file; it is gone when the server was stopped, or is kept."""
        path = f"{self.run_dir}/{name}/{_LEASE}"
        self.files.touch(path)

        def renew() -> bool:
            if self.files.find(path) is None:
                return False
            self.files.touch(path)
            return True

        return _renewing(name, renew)

    def keep(self, name: str) -> None:
        """Replace the file of the lease by the other one."""
        self.files.touch(f"{self.run_dir}/{name}/{_KEPT}")
        self.files.remove(f"{self.run_dir}/{name}/{_LEASE}")

    def is_kept(self, name: str) -> bool:
        """Look for the file."""
        return self.files.find(f"{self.run_dir}/{name}/{_KEPT}") is not None

    def is_over(self, name: str) -> bool:
        """Compare the time of the file with that of a new one."""
        try:
            lease = self.files.find(f"{self.run_dir}/{name}/{_LEASE}")
            if lease is None:
                return False
            self.files.touch(f"{self.run_dir}/{_CLOCK}")
            clock = self.files.find(f"{self.run_dir}/{_CLOCK}")
        except RemoteFileError:
            return False
        return clock is not None and clock.modified - lease.modified > _LEASE_TIME

    def names(self) -> Iterator[str]:
        """Yield nothing: the files are in the servers' directories."""
        yield from ()

    def remove(self, name: str) -> None:
        """Do nothing, likewise."""


@frozen(kw_only=False)
class VolumeLeases:
    """The leases of servers on an engine whose host has no files that can be seen from here."""

    engine: Engine

    def begin(self, name: str) -> threading.Event:
        """Make a volume, and replace it by a new one again and again."""
        self._create(f"{_LEASE}-{name}.0")
        number = 0

        def renew() -> bool:
            nonlocal number
            last = f"{_LEASE}-{name}.{number}"
            if last not in self._volumes():  # the server was stopped, or is kept
                return False
            number += 1
            self._create(f"{_LEASE}-{name}.{number}")
            self._remove(last)
            return True

        return _renewing(name, renew)

    def keep(self, name: str) -> None:
        """Replace the volumes of the lease by the other one."""
        self._create(f"{_KEPT}-{name}")
        for each in self._of(name):
            self._remove(each)

    def is_kept(self, name: str) -> bool:
        """Look for the volume."""
        return f"{_KEPT}-{name}" in self._volumes()

    def is_over(self, name: str) -> bool:
        """Compare the time of the newest volume with that of a new one."""
        volumes = self._volumes()
        times = [made for each in self._of(name) if (made := volumes.get(each)) is not None]
        if not times:
            return False
        clock = f"{_CLOCK}-{os.urandom(8).hex()}"
        self._create(clock)
        try:
            now = self._volumes().get(clock)
        finally:
            self._remove(clock)
        return now is not None and (now - max(times)).total_seconds() > _LEASE_TIME

    def names(self) -> Iterator[str]:
        """Yield the names of servers that have a lease, or are kept."""
        for volume in self._volumes():
            kind, _, rest = volume.partition("-")
            if kind == _LEASE:
                yield rest.rpartition(".")[0]
            elif kind == _KEPT:
                yield rest

    def remove(self, name: str) -> None:
        """Remove all volumes that say something of the server."""
        for each in (*self._of(name), f"{_KEPT}-{name}"):
            self._remove(each)

    def _of(self, name: str) -> list[str]:
        beginning = f"{_LEASE}-{name}."
        return [volume for volume in self._volumes() if volume.startswith(beginning)]

    def _volumes(self) -> dict[str, datetime | None]:
        return {
            volume.name.removeprefix(_VOLUME): volume.created
            for volume in self.engine.volumes({UPLOAD_LABEL: ""})
            if volume.name.startswith(_VOLUME)
        }

    def _create(self, name: str) -> None:
        self.engine.create_volume(f"{_VOLUME}{name}", {UPLOAD_LABEL: ""})

    def _remove(self, name: str) -> None:
        self.engine.remove_volume(f"{_VOLUME}{name}")
