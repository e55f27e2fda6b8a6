"""The interface of a container engine, which every adapter implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ramalama_engines.image_summary import ImageSummary
    from ramalama_engines.kinds import EngineKind
    from ramalama_engines.route import SshHost
    from ramalama_engines.spec import (
        ContainerFile,
        ContainerSpec,
        ContainerState,
        EngineInfo,
        LocalImage,
        PullProgress,
        RegistryAuth,
        Volume,
    )


@runtime_checkable
class Engine(Protocol):
    """A connection to a container engine's REST API.

    Adapters only translate; the pull policy, the choice of ports, readiness checks and retries are
    not their task. Every method blocks, may be called from any thread, and raises only EngineError.
    A *container* is an ID or a name.
    """

    @property
    def kind(self) -> EngineKind:
        """The API that the engine offers; needs no request."""
        ...

    @property
    def url(self) -> str:
        """The engine's address, such as ``unix:///run/podman/podman.sock``; needs no request."""
        ...

    @property
    def ssh(self) -> SshHost | None:
        """The engine's host, if it is reached over ssh; needs no request."""
        ...

    @property
    def rootless(self) -> bool:
        """Whether the engine runs as an ordinary user; asked once, if possible of the socket."""
        ...

    @property
    def info(self) -> EngineInfo:
        """The engine's information about itself; requested at first use, then remembered.

        The request can take a tenth of a second, so it is avoided before the first token.
        """
        ...

    def image(self, image: str) -> LocalImage | None:
        """Return the local image *image*; None if it is not local. Never pulls."""
        ...

    def images(self) -> Sequence[ImageSummary]:
        """Return the images in the local storage."""
        ...

    def pull(
        self,
        image: str,
        *,
        auth: RegistryAuth | None = None,
        tls_verify: bool = True,
        on_progress: Callable[[PullProgress], None] | None = None,
    ) -> str:
        """Pull *image* from its registry, even if it is local, and return its ID.

        An exception raised by *on_progress* (or Ctrl-C) ends the pull in the engine, too.

        Raises:
            ImagePullError: the pull failed; the message has the words of registry or engine.
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
        """Build an image from the directory *context* of this machine, and return its ID.

        *containerfile* is a path in *context*. *on_progress* gets the build's output line by line.
        After an exception raised by it (or Ctrl-C) there will be no image. Docker ends such a build
        at once; podman ends it after the current stage.

        Raises:
            ImageBuildError: a step failed, *context* cannot be read, or *tag* is not a reference.
        """
        ...

    def load(self, archive: Iterable[bytes], *, tag: str) -> str:
        """Load the image *tag* from an *archive* as ``docker save`` writes it, and return its ID.

        The archive is sent as it is read, in constant memory.

        Raises:
            ImageBuildError: the engine does not accept the archive, or it has no image *tag*.
            EngineError: the engine's disk is full.
        """
        ...

    def create(self, spec: ContainerSpec) -> str:
        """Create a container and return its ID; the image must be local.

        The new container is compared with *spec*: if the engine dropped an option,
        UnsupportedOption is raised, and the container is removed again.

        Raises:
            UnsupportedOption: see above, or the option is known to be unsupported before.
            ImageNotFound: the image is not local.
            ContainerConflict: the name is in use.
        """
        ...

    def start(self, container: str) -> None:
        """Start a created container.

        Raises:
            ContainerStartError: its program, a device or its network cannot be set up.
            ContainerConflict: a host port is in use.
        """
        ...

    def inspect(self, container: str) -> ContainerState:
        """Return the container's state, with its network and its ports."""
        ...

    def list(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        """Return the containers, in any state, that have all *labels*; "" matches any value."""
        ...

    def logs(
        self, container: str, *, follow: bool = False, tail: int | None = None
    ) -> Iterator[str]:
        """Yield the container's output, stdout and stderr, line by line without newlines.

        *tail* limits it to the last lines. With *follow*, the iterator continues until the
        container ends or the iterator is closed.
        """
        ...

    def wait(self, container: str, *, timeout: float | None = None) -> int:
        """Block until the container has ended and return its exit code.

        Raises:
            TimeoutError: the container still runs after *timeout* seconds.
            ContainerNotFound: the container was removed.
        """
        ...

    def stop(self, container: str, *, timeout: float = 10.0) -> None:
        """Stop the container, and kill it after *timeout* seconds; it need not be running."""
        ...

    def remove(self, container: str, *, force: bool = False) -> None:
        """Remove the container and its anonymous volumes, if it exists; *force* kills it first."""
        ...

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create the volume *name*; if it exists, it stays as it is, with its own labels.

        Raises:
            UnsupportedOption: *name* is not a valid name.
        """
        ...

    def volumes(self, labels: Mapping[str, str]) -> Sequence[Volume]:
        """Return the volumes that have all *labels*; "" matches any value."""
        ...

    def remove_volume(self, name: str) -> None:
        """Remove the volume *name* with its files; it need not exist.

        Raises:
            ContainerConflict: a container uses it, running or not.
        """
        ...

    def copy_into(self, container: str, directory: str, archive: Iterable[bytes]) -> None:
        """Extract a tar *archive* into a *directory* of a container, which need not be running.

        The archive is sent as it is read, in constant memory. Mount a volume at *directory* that is
        not read-only: Docker refuses what is read-only, and Podman writes there all the same. If
        the call ends early, by an exception of *archive*,
        `close` or a lost connection, a file that was being written stays: `find_in` finds it, with
        a smaller size. Both engines do that, so compare sizes.

        Raises:
            ContainerNotFound: there is no such container.
            EngineError: it has no such directory, or the engine cannot write there.
        """
        ...

    def find_in(self, container: str, path: str) -> ContainerFile | None:
        """Return what *path* is in a container, which need not be running; None if it is missing.

        Bind mounts and volumes are seen, even before the first start.

        Raises:
            ContainerNotFound: there is no such container.
        """
        ...

    def read_from(self, container: str, path: str, *, most: int) -> Iterator[bytes]:
        """Yield the content of a regular file of a container, at most its first *most* bytes.

        It is read as it is sent, in blocks of at most 1 MiB.

        Raises:
            ContainerNotFound: there is no such container.
            EngineError: it has no such file, or that is not a regular file.
        """
        ...

    def memory(self, container: str) -> int | None:
        """Return the bytes of memory that a container uses, as the engine counts them.

        None if it does not run, or the engine does not say.

        Raises:
            ContainerNotFound: there is no such container.
        """
        ...

    def close(self) -> None:
        """Close all connections; calls that block in other threads raise EngineUnavailable."""
        ...

    def __enter__(self) -> Self:
        """Return this object."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Close the connections."""
        ...
