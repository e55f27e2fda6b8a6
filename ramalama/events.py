"""What happens on the way to a server that answers, for whoever watches.

A hook is called in the thread that pulls or starts, in this order, never by two at once; what it
raises ends the pull (what came is kept) or the start (what was done is undone).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama_engines.spec import PullProgress


@frozen(kw_only=False)
class EngineConnected:
    """An engine answered at *url*."""

    kind: str
    url: str


@frozen(kw_only=False)
class ImagePulling:
    """A step of the image's pull; there are none where the image is local already."""

    image: str
    progress: PullProgress


@frozen(kw_only=False)
class ImageReady:
    """The image is in the engine's storage."""

    image: str


@frozen(kw_only=False)
class ContainerCreated:
    """The container exists, and does not run yet."""

    container: str
    name: str


@frozen(kw_only=False)
class ContainerStarted:
    """The server's program runs; it loads the model now."""

    container: str


@frozen(kw_only=False)
class ServerReady:
    """The server answers."""

    container: str


@frozen(kw_only=False)
class Notice:
    """Something that the user should know, in one sentence; nothing has failed."""

    message: str


StartEvent = (
    EngineConnected
    | ImagePulling
    | ImageReady
    | ContainerCreated
    | ContainerStarted
    | ServerReady
    | Notice
)

Event: TypeAlias = "DownloadEvent | StartEvent"

EventHook: TypeAlias = "Callable[[Event], None]"


def ignore(_event: object) -> None:
    """Watch nothing."""


@frozen(kw_only=False)
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


@frozen(kw_only=False)
class DownloadProgress:
    """Some bytes of *file* came, ten times a second at most; *done* of *total* are on the disk."""

    file: str
    done: int
    total: int | None


@frozen(kw_only=False)
class DownloadWaiting:
    """Another process fetches *file* already; we wait for it and then use what it got."""

    file: str


@frozen(kw_only=False)
class DownloadRetrying:
    """A request for *file* failed, and is made again after *seconds*."""

    file: str
    reason: str
    seconds: float


@frozen(kw_only=False)
class FileReady:
    """*file* is complete, verified where its digest was known, and in the store."""

    file: str
    size: int


@frozen(kw_only=False)
class ModelReady:
    """All of the model is on this machine."""

    model: str


@frozen(kw_only=False)
class UploadPlanned:
    """It is known what a registry lacks.

    Attributes:
        target: where it goes, as text.
        files: how many are missing there.
        size: bytes of all that the model consists of.
        missing: bytes that will be sent.
    """

    target: str
    files: int
    size: int
    missing: int


@frozen(kw_only=False)
class UploadProgress:
    """Some bytes of *file* left, ten times a second at most; *done* of *total* are sent."""

    file: str
    done: int
    total: int


@frozen(kw_only=False)
class UploadRetrying:
    """Sending *file* failed, and begins again after *seconds*."""

    file: str
    reason: str
    seconds: float


DownloadEvent = (
    DownloadPlanned | DownloadProgress | DownloadWaiting | DownloadRetrying | FileReady | ModelReady
)

UploadEvent = UploadPlanned | UploadProgress | UploadRetrying

UploadHook: TypeAlias = "Callable[[UploadEvent], None]"
