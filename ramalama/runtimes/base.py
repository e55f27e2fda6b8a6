"""What an inference server is to us: a command line, and a way to ask whether it is ready."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ramalama.options import ServeOptions
    from ramalama_engines.values import LocalImage


@dataclass(frozen=True, slots=True, kw_only=True)
class MountedModel:
    """A model as the container sees it: the (first) file, and what clients call it."""

    weights: str
    alias: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where the server listens inside the container: a UNIX socket, or an address with a port.

    *api_key_file* is a file inside the container; None asks for no key.
    """

    host: str
    port: int | None = None
    api_key_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a server finds in its container.

    *gpu* tells whether there is any; *image* None (a dry run) stands for our own image.
    """

    listen: Listen
    threads: int
    gpu: bool
    image: LocalImage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """How the server is started and asked.

    *entrypoint* None keeps the image's, *health_path* answers 200 once the model is loaded.
    """

    entrypoint: tuple[str, ...] | None
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    health_path: str


class Runtime(Protocol):
    """An inference server that can be started in a container."""

    @property
    def name(self) -> str:
        """As in `--runtime`."""
        ...

    def server(
        self, model: MountedModel, options: ServeOptions, surroundings: Surroundings
    ) -> ServerSpec:
        """Write the command line; pure."""
        ...

    def explain(self, log: Sequence[str]) -> str | None:
        """Find in a dead server's log why it died, in a few words; None when it does not say."""
        ...
