"""Show the progress of a push: one changing line on a terminal, else one line per event."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ramalama.cli.output.terminal import Status, print_error
from ramalama.events import UploadPlanned, UploadProgress, UploadRetrying
from ramalama.units import human_duration, human_size

if TYPE_CHECKING:
    from ramalama.events import UploadEvent


class PushProgress:
    """Shows the events of a push on stderr."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._status = Status(quiet=quiet)

    def begin(self) -> None:
        """Show that the model is being read: the digests of large files take seconds."""
        self._status.show("Reading the model …")

    def follow(self, event: UploadEvent) -> None:
        """Show one event."""
        match event:
            case UploadPlanned(missing=0):
                self._print(f"{event.target}: the registry has all files already")
            case UploadPlanned():
                size = human_size(event.missing)
                self._print(
                    f"Pushing {event.target} ({size} of {human_size(event.size)} to send) …"
                )
            case UploadProgress():
                share = event.done / event.total if event.total else 1
                done, total = human_size(event.done), human_size(event.total)
                self._status.show(f"{share:4.0%}  {done} of {total}  {event.file}"[:120])
            case UploadRetrying():
                pause = human_duration(event.seconds)
                self._print(f"{event.file}: {event.reason}; trying again in {pause}")
            case _:
                assert_never(event)

    def clear(self) -> None:
        """Remove the changing line."""
        self._status.clear()

    def _print(self, text: str) -> None:
        if not self._quiet:
            self._status.clear()
            print_error(text)
