"""The events of a pull, a start, a push and the making of an index, which are passed to a hook.

A hook is called in the thread that does it, and never by two threads at once. The
events of a start come in the order of `StartEvent`, but a `Notice` can come at any time. If the
hook raises, the operation ends: a pull keeps the partial download, a start removes its container.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from ramalama_values import frozen

if TYPE_CHECKING:
    from ramalama_engines.spec import PullProgress


@frozen(kw_only=False)
class EngineConnected:
    """An engine answered at *url*."""

    kind: str
    url: str


@frozen(kw_only=False)
class ImagePulling:
    """A step of the pull of the image; there is none if the image is local already."""

    image: str
    progress: PullProgress


@frozen(kw_only=False)
class ImageReady:
    """The image is in the engine's storage."""

    image: str


@frozen(kw_only=False)
class ContainerCreated:
    """The container was created but does not run yet."""

    container: str
    name: str


@frozen(kw_only=False)
class ContainerStarted:
    """The container runs, and the server loads the model."""

    container: str


@frozen(kw_only=False)
class ServerReady:
    """The server has loaded the model and answers requests."""

    container: str


@frozen(kw_only=False)
class Notice:
    """A message for the user, in one sentence; nothing has failed."""

    message: str


@frozen(kw_only=False)
class ServerDied:
    """The server has ended by itself, for *reason*, and is started again unless that is too often.

    Only for a start with `Restarts`; so is `ServerRestarted`. Both are passed on by a thread that
    watches the server. If the hook raises, that is logged, and has no other effect.
    """

    container: str
    reason: str


@frozen(kw_only=False)
class ServerRestarted:
    """The server, which had died because of *why*, answers again.

    Attributes:
        count: how often it was started again, this time included.
    """

    container: str
    why: str
    count: int


def ignore(_event: object) -> None:
    """Do nothing with an event; the default hook."""


@frozen(kw_only=False)
class DownloadPlanned:
    """The files of a model are known, before the download begins.

    Attributes:
        model: the reference, as text.
        files: number of files.
        size: bytes of all files; None if a server does not report the size of one.
        missing: bytes that are not on this machine yet; None as for *size*.
    """

    model: str
    files: int
    size: int | None
    missing: int | None


@frozen(kw_only=False)
class DownloadProgress:
    """A part of *file* has arrived; at most ten events a second.

    Attributes:
        done: bytes of the file that are on the disk.
        total: bytes of the file; None if unknown.
    """

    file: str
    done: int
    total: int | None


@frozen(kw_only=False)
class DownloadWaiting:
    """Another process is downloading *file*; this one waits for it and then uses the result."""

    file: str


@frozen(kw_only=False)
class DownloadRetrying:
    """A request for *file* failed, and is repeated after *seconds*; 0 starts the file again."""

    file: str
    reason: str
    seconds: float


@frozen(kw_only=False)
class FileReady:
    """*file* is complete and in the store; its digest was verified if it was known."""

    file: str
    size: int


@frozen(kw_only=False)
class ModelReady:
    """All files of the model are on this machine."""

    model: str


@frozen(kw_only=False)
class UploadPlanned:
    """The files that are not there yet are known, before the upload begins.

    Attributes:
        target: the reference in the registry, or the host of the engine, as text.
        files: number of files that will be sent.
        size: bytes of all files of the model.
        missing: bytes that will be sent.
    """

    target: str
    files: int
    size: int
    missing: int


@frozen(kw_only=False)
class UploadProgress:
    """A part of *file* was sent, *done* of *total* bytes so far; at most ten events a second."""

    file: str
    done: int
    total: int


@frozen(kw_only=False)
class UploadRetrying:
    """The upload of *file* failed, and starts again after *seconds*."""

    file: str
    reason: str
    seconds: float


@frozen(kw_only=False)
class IndexPlanned:
    """So many documents were found, and will be looked through."""

    documents: int


@frozen(kw_only=False)
class IndexProgress:
    """Some documents were read; at most ten events a second.

    Attributes:
        uri: the document that is read.
        done: number of documents that are read already, or have not changed.
        documents: number of all documents.
        chunks: number of chunks that are new.
        embedded: number of chunks that were embedded just now, not taken from an earlier index.
        page: which of the document's scanned pages a model reads, from 1; 0 if it reads none.
        pages: number of the document's scanned pages.
    """

    uri: str
    done: int
    documents: int
    chunks: int
    embedded: int
    page: int = 0
    pages: int = 0


@frozen(kw_only=False)
class IndexWriting:
    """All documents are read, and the index is written."""

    documents: int


StartEvent = (
    EngineConnected
    | ImagePulling
    | ImageReady
    | ContainerCreated
    | ContainerStarted
    | ServerReady
    | Notice
    | UploadPlanned
    | UploadProgress
)

RestartEvent = ServerDied | ServerRestarted

DownloadEvent = (
    DownloadPlanned | DownloadProgress | DownloadWaiting | DownloadRetrying | FileReady | ModelReady
)

UploadEvent = UploadPlanned | UploadProgress | UploadRetrying

IndexEvent = IndexPlanned | IndexProgress | IndexWriting | Notice

Event = DownloadEvent | StartEvent | IndexEvent | RestartEvent

EventHook: TypeAlias = Callable[[Event], None]

IndexHook: TypeAlias = Callable[[IndexEvent], None]

UploadHook: TypeAlias = Callable[[UploadEvent], None]
