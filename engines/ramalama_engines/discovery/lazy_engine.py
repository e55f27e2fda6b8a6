"""An engine that is opened only when a request needs it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from ramalama_engines.errors import EngineUnavailable
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ramalama_engines.engine import Engine
    from ramalama_engines.image_summary import ImageSummary
    from ramalama_engines.kinds import EngineKind
    from ramalama_engines.spec import (
        ContainerSpec,
        ContainerState,
        EngineInfo,
        LocalImage,
        PullProgress,
        RegistryAuth,
    )


@frozen()
class EngineIdentity:
    """What is known of an engine from an earlier connection."""

    kind: EngineKind
    url: str
    rootless: bool


class LazyEngine:
    """An `Engine` that knows its identity, and opens the real engine for everything else.

    Opening an engine imports its SDK. That takes longer than all requests of a program that uses a
    running container, which often needs no request at all.
    """

    def __init__(self, identity: EngineIdentity, open_engine: Callable[[], Engine]) -> None:
        self._identity = identity
        self._open = open_engine
        self._opening = threading.Lock()
        self._opened: Engine | None = None
        self._closed = False

    @property
    def kind(self) -> EngineKind:
        """The kind, as it was known."""
        return self._identity.kind

    @property
    def url(self) -> str:
        """The address, as it was known."""
        return self._identity.url

    @property
    def rootless(self) -> bool:
        """Whether the engine is rootless, as it was known."""
        return self._identity.rootless

    @property
    def info(self) -> EngineInfo:
        """The engine's information about itself."""
        return self._engine().info

    def image(self, image: str) -> LocalImage | None:
        """Return the local image *image*; None if there is none."""
        return self._engine().image(image)

    def images(self) -> Sequence[ImageSummary]:
        """Return the local images."""
        return self._engine().images()

    def pull(
        self,
        image: str,
        *,
        auth: RegistryAuth | None = None,
        tls_verify: bool = True,
        on_progress: Callable[[PullProgress], None] | None = None,
    ) -> str:
        """Pull *image*."""
        return self._engine().pull(image, auth=auth, tls_verify=tls_verify, on_progress=on_progress)

    def build(
        self,
        context: Path,
        *,
        tag: str,
        containerfile: str = "Containerfile",
        build_args: Mapping[str, str],
        on_progress: Callable[[str], None] | None = None,
    ) -> str:
        """Build an image."""
        return self._engine().build(
            context,
            tag=tag,
            containerfile=containerfile,
            build_args=build_args,
            on_progress=on_progress,
        )

    def create(self, spec: ContainerSpec) -> str:
        """Create a container."""
        return self._engine().create(spec)

    def start(self, container: str) -> None:
        """Start the container."""
        self._engine().start(container)

    def inspect(self, container: str) -> ContainerState:
        """Return the container's state."""
        return self._engine().inspect(container)

    def list(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        """Return the containers that have *labels*."""
        return self._engine().list(labels)

    def logs(
        self, container: str, *, follow: bool = False, tail: int | None = None
    ) -> Iterator[str]:
        """Yield the lines of the container's log."""
        return self._engine().logs(container, follow=follow, tail=tail)

    def wait(self, container: str, *, timeout: float | None = None) -> int:
        """Wait until the container has ended, and return its exit code."""
        return self._engine().wait(container, timeout=timeout)

    def stop(self, container: str, *, timeout: float = 10.0) -> None:
        """Stop the container."""
        self._engine().stop(container, timeout=timeout)

    def remove(self, container: str, *, force: bool = False) -> None:
        """Remove the container."""
        self._engine().remove(container, force=force)

    def close(self) -> None:
        """Close the real engine, if it was opened."""
        with self._opening:
            self._closed = True
            if self._opened is not None:
                self._opened.close()

    def __enter__(self) -> Self:
        """Return this object, without opening the engine."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the real engine, if it was opened."""
        self.close()

    def _engine(self) -> Engine:
        with self._opening:
            if self._opened is None:
                if self._closed:
                    msg = f"{self.kind} at {self.url}: the connection was closed"
                    raise EngineUnavailable(msg, engine=self.kind)
                self._opened = self._open()
            return self._opened
