"""Say on an engine's host that a server's process still lives, or that the server is to be kept.

RUN_DIR/NAME/lease    its time is renewed while the process of this server lives
RUN_DIR/NAME/kept     the server is shared: its users are recorded on the host of its process
RUN_DIR/clock         tells the time of that host, which may differ from ours
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from ramalama_engines.errors import EngineError, RemoteFileError
from ramalama_values import frozen

if TYPE_CHECKING:
    from ramalama_engines.route import RemoteFiles

_log = logging.getLogger("ramalama.remote")

_LEASE = "lease"
_KEPT = "kept"
_CLOCK = "clock"
_RENEWED_EVERY = 30.0  # seconds
_LEASE_TIME = 600.0  # seconds


@frozen(kw_only=False)
class Leases:
    """The leases of servers whose directories are below *run_dir* on the host of *files*."""

    files: RemoteFiles
    run_dir: str

    def begin(self, name: str) -> threading.Event:
        """Renew the lease of the server *name* in a thread, until the event is set."""
        path = f"{self.run_dir}/{name}/{_LEASE}"
        self.files.touch(path)
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(_RENEWED_EVERY):
                try:
                    if self.files.find(path) is None:
                        return  # the server was stopped, or is kept
                    self.files.touch(path)
                except EngineError as exc:
                    _log.info("could not renew the lease of %s: %s", name, exc)

        threading.Thread(target=renew, name="ramalama-lease", daemon=True).start()
        return ended

    def keep(self, name: str) -> None:
        """Keep the server after its process has ended, whatever its lease."""
        self.files.touch(f"{self.run_dir}/{name}/{_KEPT}")
        self.files.remove(f"{self.run_dir}/{name}/{_LEASE}")

    def is_kept(self, name: str) -> bool:
        """Return whether `keep` was called for the server."""
        return self.files.find(f"{self.run_dir}/{name}/{_KEPT}") is not None

    def is_over(self, name: str) -> bool:
        """Return whether no process has renewed the lease for ten minutes, by the clock there."""
        try:
            lease = self.files.find(f"{self.run_dir}/{name}/{_LEASE}")
            if lease is None:
                return False
            self.files.touch(f"{self.run_dir}/{_CLOCK}")
            clock = self.files.find(f"{self.run_dir}/{_CLOCK}")
        except RemoteFileError:
            return False
        return clock is not None and clock.modified - lease.modified > _LEASE_TIME
