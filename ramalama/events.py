"""What happens on the way to a server that answers, for whoever watches.

A hook is called in the thread that pulls or starts, in this order, never by two at once; what it
raises ends the pull (what came is kept) or the start (what was done is undone).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ramalama_engines.values import PullProgress


@dataclass(frozen=True, slots=True)
class EngineConnected:
    """An engine answered at *url*."""

    kind: str
    url: str


@dataclass(frozen=True, slots=True)
class ImagePulling:
    """A step of the image's pull; there are none where the image is local already."""

    image: str
    progress: PullProgress


@dataclass(frozen=True, slots=True)
class ImageReady:
    """The image is in the engine's storage."""

    image: str


@dataclass(frozen=True, slots=True)
class ContainerCreated:
    """The container exists, and does not run yet."""

    container: str
    name: str


@dataclass(frozen=True, slots=True)
class ContainerStarted:
    """The server's program runs; it loads the model now."""

    container: str


@dataclass(frozen=True, slots=True)
class ServerReady:
    """The server answers."""

    container: str


@dataclass(frozen=True, slots=True)
class DownloadPlanned:
    """It is known what will come.

    Attributes:
        model: the reference, as text.
        size: bytes of all files; None where a server does not tell.
        missing: bytes of these that are not on this machine yet; None as above.
    """

    model: str
    files: int
    size: int | None
    missing: int | None


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """Some bytes of *file* came, ten times a second at most; *done* of *total* are on the disk."""

    file: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class DownloadWaiting:
    """Another process fetches *file* already; we wait for it and then use what it got."""

    file: str


@dataclass(frozen=True, slots=True)
class DownloadRetrying:
    """A request for *file* failed, and is made again after *seconds*."""

    file: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class FileReady:
    """*file* is complete, verified where its digest was known, and in the store."""

    file: str
    size: int


@dataclass(frozen=True, slots=True)
class ModelReady:
    """All of the model is on this machine."""

    model: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the user should know, in one sentence; nothing has failed."""

    message: str


Event = (
    DownloadPlanned
    | DownloadProgress
    | DownloadWaiting
    | DownloadRetrying
    | FileReady
    | ModelReady
    | EngineConnected
    | ImagePulling
    | ImageReady
    | ContainerCreated
    | ContainerStarted
    | ServerReady
    | Notice
)

EventHook = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Watch nothing."""
