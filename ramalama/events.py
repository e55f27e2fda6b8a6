"""What happens on the way to a server that answers, for whoever watches.

A hook is called in the thread that starts the server, in this order; what it raises ends the
start and undoes what was done.
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
class Notice:
    """Something that the user should know, in one sentence; nothing has failed."""

    message: str


Event = (
    EngineConnected
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
