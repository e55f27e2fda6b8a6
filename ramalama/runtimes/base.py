"""What an inference server is to us: a command line, and a way to ask whether it is ready."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Protocol, TypeGuard

from ramalama_accel.values import AcceleratorKind
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ramalama.config.options import ServeOptions
    from ramalama.models.options import ModelFormat
    from ramalama.models.store.stored_model import StoredModel
    from ramalama_accel.runtime_name import RuntimeName
    from ramalama_engines.spec import LocalImage

CPU = "CPU"

_HUGE = 2.0**31  # nothing that is sampled with is larger; no infinity is, either


@frozen()
class MountedModel:
    """A model as the container sees it; paths are the container's.

    Attributes:
        weights: the (first) file, or a directory of safetensors with all that belongs to them.
        alias: what clients call it.
        template_name: one of llama.cpp's own chat templates.
        parameters: its author's sampling defaults, by Ollama's names; hostile.

    See `StoredModel` for the rest.
    """

    weights: str
    alias: str
    projectors: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    draft: str | None = None
    chat_template: str | None = None
    template_name: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether a stranger's *value* is a finite number, which an option may be set to."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _HUGE


@frozen()
class ListenAddress:
    """Where the server listens inside the container: a UNIX socket, or an address with a port.

    *api_key_file* is a file inside the container; None asks for no key.
    """

    host: str
    port: int | None = None
    api_key_file: str | None = None


@frozen()
class ServerEnvironment:
    """What a server finds in its container.

    *kind* is what it can compute on, with so many *gpus*; *image* None (a dry run) stands for our
    own image.
    """

    listen: ListenAddress
    threads: int
    kind: AcceleratorKind
    gpus: int = 0
    image: LocalImage | None

    @property
    def gpu(self) -> bool:
        """Whether there is any."""
        return self.kind is not AcceleratorKind.CPU


@frozen()
class ServerSpec:
    """How the server is started and asked.

    *entrypoint* None keeps the image's, *health_path* answers 200 once the model is loaded,
    *wants_gpu* tells whether it would be a pity if it computed on the CPU alone. *compiles* is a
    server that loads what it has just written, *shared_memory* one whose processes share more of
    it than an engine would give them (64 MB).
    """

    entrypoint: tuple[str, ...] | None
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    health_path: str
    wants_gpu: bool = False
    compiles: bool = False
    shared_memory: bool = False


@frozen()
class ServerReport:
    """What a server says that it computes with; None is what it does not say.

    Attributes:
        device: where the model's layers are, in the server's words (``CUDA0``), several with
            commas; "CPU" where none is on a GPU.
        context: tokens.
    """

    device: str | None = None
    layers_offloaded: int | None = None
    layers_total: int | None = None
    context: int | None = None

    @property
    def on_cpu(self) -> bool:
        """Whether the server says that it computes on the CPU alone."""
        return self.device == CPU

    def __str__(self) -> str:
        layers = f"{self.layers_offloaded}/{self.layers_total} layers"
        parts = (
            f"on {self.device}" if self.device else "on an unnamed device",
            layers if self.layers_total else "",
            f"context {self.context}" if self.context else "",
        )
        return ", ".join(part for part in parts if part)


class Runtime(Protocol):
    """An inference server that can be started in a container."""

    @property
    def name(self) -> RuntimeName:
        """As in `--runtime`."""
        ...

    @property
    def format(self) -> ModelFormat:
        """What it loads best, where there is a choice."""
        ...

    def check(self, model: StoredModel) -> None:
        """Make sure, before anything large is done, that it could load *model*.

        Raises:
            ModelUnsupported: it could not.
        """
        ...

    def server(
        self, model: MountedModel, options: ServeOptions, environment: ServerEnvironment
    ) -> ServerSpec:
        """Write the command line; pure."""
        ...

    def explain(self, log: Sequence[str]) -> str | None:
        """Find in a dead server's log why it died, in a few words; None when it does not say."""
        ...

    def report(self, log: Sequence[str]) -> ServerReport:
        """Find in the log of a server that is ready what it computes with."""
        ...
