"""Show the progress of a start: pulls of the image and the model, and each step."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ramalama.cli.output.terminal import Status, print_error
from ramalama.events import (
    ContainerCreated,
    ContainerStarted,
    EngineConnected,
    ImagePulling,
    ImageReady,
    IndexPlanned,
    IndexProgress,
    IndexWriting,
    Notice,
    ServerDied,
    ServerReady,
    ServerRestarted,
    UploadPlanned,
    UploadProgress,
)
from ramalama.units import human_size

if TYPE_CHECKING:
    from ramalama.cli.output.download_progress import TransferProgress
    from ramalama.cli.output.index_progress import BuildProgress
    from ramalama.events import DownloadEvent, Event, IndexEvent
    from ramalama_engines import PullProgress

_MIB = 1024 * 1024


class StartProgress:
    """Shows the events of a start on stderr: one changing line on a terminal, else a few lines."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._status = Status(quiet=quiet)
        self._layers: dict[str, tuple[int, int]] = {}
        self._announced: str | None = None  # the image whose pull was announced
        self._download: TransferProgress | None = None
        self._indexing: BuildProgress | None = None

    def follow(self, event: Event) -> None:
        """Show one event."""
        match event:
            case EngineConnected():
                self._status.show(f"Starting a container with {event.kind}{_place(event.url)} …")
            case ContainerStarted():
                self._status.show("Loading the model …")
            case ContainerCreated() | ServerDied() | ServerRestarted():
                pass  # no command restarts a server
            case ServerReady():
                self._status.clear()
            case Notice():
                self._announced = None  # a pull that failed is no pull, if that is the notice
                self._print(f"Notice: {event.message}")
            case IndexPlanned() | IndexProgress() | IndexWriting():
                self._show_indexing(event)
            case _:
                self._follow_transfer(event)

    def _follow_transfer(
        self, event: ImagePulling | ImageReady | UploadPlanned | UploadProgress | DownloadEvent
    ) -> None:
        match event:
            case ImagePulling():
                self._show_pull(event.image, event.progress)
            case ImageReady():
                self._show_pulled(event.image)
            case UploadPlanned():
                self._print(f"Sending the model to {event.target}: {human_size(event.missing)} …")
            case UploadProgress():
                self._status.show(_sent(event))
            case _:
                self._show_download(event)

    def clear(self) -> None:
        """Remove the changing line."""
        self._status.clear()

    def _show_indexing(self, event: IndexEvent) -> None:
        if self._indexing is None:
            from ramalama.cli.output.index_progress import (  # noqa: PLC0415 (rarely needed)
                BuildProgress,
            )

            self._indexing = BuildProgress(quiet=self._quiet, status=self._status)
        self._indexing.follow(event)

    def _show_download(self, event: DownloadEvent) -> None:
        if self._download is None:
            from ramalama.cli.output.download_progress import (  # noqa: PLC0415 (only for a download)
                TransferProgress,
            )

            self._download = TransferProgress(self._status, quiet=self._quiet)
        self._download.follow(event)

    def _show_pull(self, image: str, progress: PullProgress) -> None:
        if self._announced != image:
            self._announced = image
            self._layers.clear()
            self._print(f"Pulling {image} …")
        if progress.total:
            self._layers[progress.layer] = (progress.current or 0, progress.total)
        done = sum(current for current, _ in self._layers.values())
        total = sum(total for _, total in self._layers.values())
        share = f" {done / _MIB:.0f} of {total / _MIB:.0f} MiB" if total else ""
        self._status.show(f"Pulling {image}:{share} {progress.status}"[:120])

    def _show_pulled(self, image: str) -> None:
        if self._announced == image:
            self._print(f"Pulled {image}")
        self._status.show("Starting the container …")

    def _print(self, text: str) -> None:
        if not self._quiet:
            self._status.clear()
            print_error(text)


def _place(url: str) -> str:
    """Return " on HOST" for an engine on another host; "" for one on this host."""
    return "" if url.startswith("unix:") else f" on {urlsplit(url).hostname}"


def _sent(progress: UploadProgress) -> str:
    if progress.done >= progress.total:
        return "Verifying what has arrived of the model …"
    done, total = human_size(progress.done), human_size(progress.total)
    share = progress.done / progress.total
    return f"Sending the model: {share:4.0%}  {done} of {total}"
