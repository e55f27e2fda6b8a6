"""What happens while files come from servers, or go to them; for whoever watches.

Hooks are called as `ramalama.events` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable


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


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """Some bytes of *file* left, ten times a second at most; *done* of *total* are sent."""

    file: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
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
