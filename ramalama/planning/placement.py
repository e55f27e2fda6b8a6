"""Where an engine finds the files of a server, and whether the server's socket can be reached.

An engine on this host sees its files. For another one, `serving.remote` brings the model there
first, and knows then where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ramalama.config.defaults import LOOPBACK
from ramalama_engines.spec import BindMount
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ramalama_engines.spec import Mount


class ServerPaths(Protocol):
    """The paths of a server's directory on this host; `serving.run_dir` creates it."""

    @property
    def path(self) -> Path:
        """The directory itself."""
        ...

    @property
    def socket(self) -> Path:
        """The UNIX socket on which the server listens, if it has no network."""
        ...


class Placement(Protocol):
    """The places of a server's files on the host of its engine."""

    @property
    def has_sockets(self) -> bool:
        """Whether this process can connect to a UNIX socket in the server's directory."""
        ...

    @property
    def published_on(self) -> str:
        """The address of the engine's host on which a port is published if none is asked for."""
        ...

    def model(self, files: Mapping[Path, str], *, relabel: bool) -> tuple[Mount, ...]:
        """Return the mounts of *files*: paths of this host, and their paths in the container."""
        ...

    def server(
        self, instance: ServerPaths, *, target: str, read_only: bool, relabel: bool
    ) -> Mount:
        """Return the mount of the server's directory."""
        ...


@frozen()
class LocalFiles:
    """The engine is on this host, and sees its files."""

    has_sockets: bool = True
    published_on: str = LOOPBACK

    def model(self, files: Mapping[Path, str], *, relabel: bool) -> tuple[Mount, ...]:
        """Mount the files themselves."""
        return tuple(
            BindMount(source=str(path), target=place, relabel=relabel)
            for path, place in files.items()
        )

    def server(
        self, instance: ServerPaths, *, target: str, read_only: bool, relabel: bool
    ) -> Mount:
        """Mount the directory itself."""
        return BindMount(
            source=str(instance.path), target=target, read_only=read_only, relabel=relabel
        )


@frozen()
class SeparateFiles:
    """The files of a model and those of a server are in different places; meets `Placement`."""

    models: Placement
    servers: Placement

    @property
    def has_sockets(self) -> bool:
        """Whether this process can connect to a UNIX socket in the server's directory."""
        return self.servers.has_sockets

    @property
    def published_on(self) -> str:
        """The address of the engine's host on which a port is published if none is asked for."""
        return self.servers.published_on

    def model(self, files: Mapping[Path, str], *, relabel: bool) -> tuple[Mount, ...]:
        """Mount the files."""
        return self.models.model(files, relabel=relabel)

    def server(
        self, instance: ServerPaths, *, target: str, read_only: bool, relabel: bool
    ) -> Mount:
        """Mount the server's directory."""
        return self.servers.server(instance, target=target, read_only=read_only, relabel=relabel)
