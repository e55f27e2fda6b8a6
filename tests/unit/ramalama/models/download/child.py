"""A download in a process of its own; ``python -m … URL DIRECTORY SIZE DIGEST``.

It says a line for each event, and what ended it.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.models.download.downloader import Downloader
from ramalama.models.download.values import Location, RemoteBlob
from ramalama.models.formats.model_files import Digest
from ramalama.models.http.client import open_http
from tests.unit.ramalama.models.download.kit import SMALL, FolderShelf

if TYPE_CHECKING:
    from ramalama.events import Event


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def say_event(event: Event) -> None:
    say(type(event).__name__)


def main(url: str, directory: Path, size: int | None, digest: Digest | None) -> None:
    with open_http() as client:
        blob = RemoteBlob(
            name="blob",
            identity=url if digest is None else str(digest),
            size=size,
            digest=digest,
            locate=lambda: Location(url=url),
            client=client,
        )
        downloader = Downloader(directory, on_event=say_event, limits=SMALL)
        try:
            say(str(downloader.fetch(blob, FolderShelf(directory / "shelf")).digest))
        except KeyboardInterrupt:
            say(f"interrupted, {threading.active_count()} thread left")


if __name__ == "__main__":
    _, url, directory, size, digest = sys.argv
    main(url, Path(directory), int(size) or None, Digest.parse(digest) if digest else None)
