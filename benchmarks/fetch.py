"""One download, in a process that imports nothing else: URL STORE SIZE SHA256.

How far it has come goes to stdout, in bytes; the most memory it had to stderr, in kB.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.events import DownloadProgress, ignore
from ramalama.models.download.downloader import Downloader
from ramalama.models.download.values import Location, RemoteBlob
from ramalama.models.formats.model_files import Digest
from ramalama.models.http.client import open_http
from ramalama.models.store.cas import ContentStore

if TYPE_CHECKING:
    from ramalama.events import Event, EventHook


def fetch(url: str, base: Path, size: int, digest: Digest, *, on_event: EventHook = ignore) -> None:
    """Fetch into a store at *base*."""
    blob_store = ContentStore(base)
    with open_http() as client:
        blob = RemoteBlob(
            name="file",
            identity=str(digest),
            size=size,
            digest=digest,
            locate=lambda: Location(url=url),
            client=client,
        )
        Downloader(blob_store.directory, on_event=on_event).fetch(blob, blob_store)


def _say(event: Event) -> None:
    """Say how far it has come."""
    if isinstance(event, DownloadProgress):
        print(event.done, flush=True)


def _peak() -> str:
    """Read what proc_pid_status(5) says; getrusage(2) would count what our parent had, too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return peak


if __name__ == "__main__":
    fetch(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Digest(sys.argv[4]), on_event=_say)
    sys.stderr.write(_peak())
