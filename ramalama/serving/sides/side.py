"""The host of an engine as servers need it, and the ordinary case: the host is this one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from ramalama.planning.placement import LocalFiles
from ramalama.system.resources import available_memory, default_threads
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ramalama.planning.placement import Placement
    from ramalama.serving.run_dir import ServerDir
    from ramalama.serving.sides.copies import ModelCopy
    from ramalama.serving.sides.upload import Upload
    from ramalama_accel.host import Host
    from ramalama_chat.client.endpoint import Endpoint


class EngineSide(Protocol):
    """The host of an engine: whose files, sockets, cores and memory a server gets.

    Every server has a directory on this host (`ServerDir`), which names its owner, and one on the
    engine's, which is mounted; on an engine of this host, both are the same.
    """

    @property
    def is_here(self) -> bool:
        """Whether the engine runs under this kernel, and sees the files of this host."""
        ...

    @property
    def name(self) -> str:
        """The host for messages."""
        ...

    @property
    def user(self) -> tuple[int, int]:
        """The user and group IDs that own the server's files, for a rootful engine."""
        ...

    @property
    def threads(self) -> int:
        """The number of threads that a server takes by default."""
        ...

    @property
    def placement(self) -> Placement:
        """Where the engine finds the files of a server whose model was not brought yet."""
        ...

    def memory(self, host: Host) -> int | None:
        """Return the bytes of memory that a server can use; None if unknown."""
        ...

    def bring(self, upload: Upload) -> Placement:
        """Bring the files to the engine's side unless it has them.

        Raises:
            EngineError: the host does not answer, is full, or refuses.
            StoreError: a file cannot be read.
        """
        ...

    def has(self, upload: Upload) -> bool:
        """Return whether the files that were brought are still there: others may remove them."""
        ...

    def make_directory(self, instance: ServerDir, contents: Mapping[str, str]) -> None:
        """Create the directory of a server on both hosts, with files: names, and *contents*."""
        ...

    def remove_directory(self, instance: ServerDir) -> None:
        """Remove the directory of a server on both hosts; it need not exist."""
        ...

    def endpoint(self, planned: Endpoint, instance: ServerDir, *, port: int | None) -> Endpoint:
        """Return the endpoint here of a server that listens at *planned* on the engine's host.

        If a port of this host leads to it, it is *port*, as long as that is free.
        """
        ...

    def describe(self, planned: Endpoint, instance: ServerDir) -> str:
        """Return the address of such a server for people; nothing is connected."""
        ...

    @property
    def expected(self) -> EngineSide:
        """The side for a plan that starts nothing: without evidence, a socket here leads here."""
        ...

    def settle(self, fetch_image: Callable[[], str]) -> EngineSide:
        """Find out how the engine's host is reached, and return the side to use from then on.

        *fetch_image* returns the name of an image that is local to the engine; it is called only if
        a container is needed to find out.
        """
        ...

    def accelerated(self, host: Host) -> Host:
        """Return the host whose accelerators a server can use, instead of *host*, which is here."""
        ...

    @property
    def unknown(self) -> str:
        """Why the accelerators there are not known; "" if they are."""
        ...

    def share(self, instance: ServerDir) -> None:
        """Keep the server when this process has ended: no lease says that it still lives."""
        ...

    def is_over(self, name: str) -> bool:
        """Return whether the lease is over of a server whose owner was on another host.

        *name* is that of the server's directory.
        """
        ...

    def copies(self) -> Sequence[ModelCopy]:
        """Return the models that were sent to the engine's host, by any host and user."""
        ...

    def remove_copy(self, copy: ModelCopy) -> None:
        """Remove one of `copies`."""
        ...

    def forget(self) -> None:
        """Forget what is known of the engine's host, since a start has failed; it may be wrong."""
        ...

    def sweep(self) -> None:
        """Remove from the engine's host what is left of processes of this host that ended."""
        ...


@frozen()
class LocalSide:
    """The engine runs on this host."""

    is_here: bool = True
    name: str = "this host"
    unknown: str = ""
    placement: Placement = LocalFiles()

    @property
    def user(self) -> tuple[int, int]:
        """The invoking user."""
        return os.getuid(), os.getgid()

    @property
    def threads(self) -> int:
        """The cores that this process may use."""
        return default_threads()

    def memory(self, host: Host) -> int | None:
        """Return what is free on *host*."""
        return available_memory(host.root)

    def bring(self, upload: Upload) -> Placement:  # noqa: ARG002 (for all of these, see above)
        """Return that the files are where they are."""
        return self.placement

    def has(self, upload: Upload) -> bool:  # noqa: ARG002
        """Return True."""
        return True

    def make_directory(self, instance: ServerDir, contents: Mapping[str, str]) -> None:
        """Create the directory, and write the files."""
        instance.make()
        for name, content in contents.items():
            instance.write(name, content)

    def remove_directory(self, instance: ServerDir) -> None:
        """Remove the directory."""
        instance.remove()

    def endpoint(
        self,
        planned: Endpoint,
        instance: ServerDir,  # noqa: ARG002
        *,
        port: int | None,  # noqa: ARG002
    ) -> Endpoint:
        """Return the endpoint as it is."""
        return planned

    def describe(self, planned: Endpoint, instance: ServerDir) -> str:  # noqa: ARG002
        """Return the endpoint as it is."""
        return str(planned)

    @property
    def expected(self) -> EngineSide:
        """Return this."""
        return self

    def settle(self, fetch_image: Callable[[], str]) -> EngineSide:  # noqa: ARG002
        """Return this: all is known."""
        return self

    def accelerated(self, host: Host) -> Host:
        """Return *host*."""
        return host

    def share(self, instance: ServerDir) -> None:
        """Do nothing: there are no leases."""

    def is_over(self, name: str) -> bool:  # noqa: ARG002
        """Return False: there are no leases."""
        return False

    def copies(self) -> Sequence[ModelCopy]:
        """Return nothing: models are served where they are stored."""
        return ()

    def remove_copy(self, copy: ModelCopy) -> None:
        """Do nothing: there are no copies."""

    def forget(self) -> None:
        """Do nothing: nothing is kept."""

    def sweep(self) -> None:
        """Do nothing: the directories here are all there are."""


HERE = LocalSide()
