"""What a plan is made of: what is known of the server, and what is here."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from ramalama_values import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.config.options import ServeOptions
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.system.process_identity import ProcessIdentity
    from ramalama_accel.values import Accelerator
    from ramalama_engines.spec import LocalImage


class ServerPaths(Protocol):
    """Where a server's directory is on this host; `serving.run_dir` makes it."""

    @property
    def path(self) -> Path:
        """The directory itself."""
        ...

    @property
    def socket(self) -> Path:
        """Where the server listens, if that is a UNIX socket."""
        ...


@frozen()
class PlanInputs:
    """What is known of a server before it is planned.

    Attributes:
        image: what the engine knows of the image; None before it was looked up, and in a dry run
            without the image.
    """

    options: ServeOptions
    model: StoredModel
    accelerator: Accelerator
    image_name: str
    image: LocalImage | None = None


@frozen()
class LaunchEnvironment:
    """Where a plan is carried out, and what was drawn for it.

    Attributes:
        engine: its kind, for the label.
        rootless: root in the container is the invoking user.
        uid, gid: the invoking user.
        threads: the default number.
        instance: the server's directory.
        identity: this process, which owns the server.
        container_name: for a server that the user has not named.
        api_key: what the server asks for where it listens on a port, if the user has no key.
        host_port: a free port of this host, for the network mode "host" alone.
    """

    engine: str
    rootless: bool
    uid: int
    gid: int
    threads: int
    instance: ServerPaths
    identity: ProcessIdentity
    container_name: str
    api_key: str = field(repr=False)
    host_port: int | None = None
