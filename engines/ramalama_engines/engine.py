"""The contract that every container engine adapter keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

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


@runtime_checkable
class Engine(Protocol):
    """A connection to a container engine's REST API.

    Adapters translate, and decide nothing: pull policy, port choice, readiness and retry live
    above. Every method blocks, may be called from any thread, and raises only EngineError.
    A *container* is an ID or a name.
    """

    @property
    def kind(self) -> EngineKind:
        """Which API it speaks; costs no request."""
        ...

    @property
    def url(self) -> str:
        """Where it was reached, ``unix:///run/podman/podman.sock``; costs no request."""
        ...

    @property
    def rootless(self) -> bool:
        """Whether the engine runs as an ordinary user; asked once, as cheaply as it goes."""
        ...

    @property
    def info(self) -> EngineInfo:
        """What the engine says of itself; asked at first use, then remembered.

        It can take a tenth of a second, so the path to the first token avoids it.
        """
        ...

    def image(self, image: str) -> LocalImage | None:
        """Look *image* up in the local storage; None when it is not there. Never pulls."""
        ...

    def images(self) -> Sequence[ImageSummary]:
        """Report the images in the local storage."""
        ...

    def pull(
        self,
        image: str,
        *,
        auth: RegistryAuth | None = None,
        tls_verify: bool = True,
        on_progress: Callable[[PullProgress], None] | None = None,
    ) -> str:
        """Fetch *image* from its registry, whatever is local, and return its ID.

        An exception out of *on_progress* (or Ctrl-C) ends the pull on the engine's side too.

        Raises:
            ImagePullError: whatever the reason; its text is the registry's or the engine's.
            UnsupportedOption: the engine cannot skip TLS verification for this registry.
        """
        ...

    def build(
        self,
        context: Path,
        *,
        tag: str,
        containerfile: str = "Containerfile",
        build_args: Mapping[str, str],
        on_progress: Callable[[str], None] | None = None,
    ) -> str:
        """Build an image from the folder *context* of this machine, and return its ID.

        *containerfile* is a path in *context*. *on_progress* is told what a person would read,
        line by line; after an exception out of it (or Ctrl-C) there will be no image. Docker ends
        such a build at once, podman when the stage under way is through.

        Raises:
            ImageBuildError: a step failed, *context* is unreadable, or *tag* is no reference.
        """
        ...

    def create(self, spec: ContainerSpec) -> str:
        """Create a container and return its ID; the image must be local.

        What the engine made is read back and compared with *spec*: an option that the engine
        dropped is an UnsupportedOption, and the container is removed again.

        Raises:
            UnsupportedOption: see above, or known before anything is created.
            ImageNotFound: the image is not local.
            ContainerConflict: the name is taken.
        """
        ...

    def start(self, container: str) -> None:
        """Start a created container.

        Raises:
            ContainerStartError: its program, a device or its network cannot be set up.
            ContainerConflict: a host port is taken.
        """
        ...

    def inspect(self, container: str) -> ContainerState:
        """Report one container, with the host ports that the engine picked."""
        ...

    def list(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        """Report the containers that bear all *labels*, in any state; "" matches any value."""
        ...

    def logs(
        self, container: str, *, follow: bool = False, tail: int | None = None
    ) -> Iterator[str]:
        """Yield what the container wrote, stdout and stderr, line by line without line ends.

        *tail* limits it to the last lines; *follow* goes on until the container ends or the
        iterator is closed.
        """
        ...

    def wait(self, container: str, *, timeout: float | None = None) -> int:
        """Block until the container has ended and return its exit code.

        Raises:
            TimeoutError: *timeout* seconds passed and it still runs.
            ContainerNotFound: it was removed.
        """
        ...

    def stop(self, container: str, *, timeout: float = 10.0) -> None:
        """Ask it to end, kill it after *timeout* seconds; not running is no error."""
        ...

    def remove(self, container: str, *, force: bool = False) -> None:
        """Remove it and its anonymous volumes; *force* kills it first. Gone already is no error."""
        ...

    def close(self) -> None:
        """Give back connections; calls that block in other threads end with EngineUnavailable."""
        ...

    def __enter__(self) -> Self:
        """Return itself."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Close."""
        ...
