"""What happens on the way to a server that answers, for whoever watches.

A hook is called in the thread that pulls or starts, in this order, never by two at once; what it
raises ends the pull (what came is kept) or the start (what was done is undone).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ramalama.hooks import ignore as ignore  # noqa: PLC0414 (for who imports it from here)
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.transfers import DownloadEvent
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
