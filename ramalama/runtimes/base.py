"""The interface of an inference server: its command line, its readiness check, its log.

Also the options that every inference server has, with the values that are used for them.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Protocol, TypeGuard

from ramalama.config.defaults import DEFAULT_CONTEXT, DEFAULT_TEMPERATURE
from ramalama_accel.values import AcceleratorKind
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ramalama.config.options import ServeOptions
    from ramalama.models.options import ModelFormat
    from ramalama.models.store.stored_model import StoredModel
    from ramalama_accel.runtime_name import RuntimeName
    from ramalama_engines.spec import LocalImage


CPU = "CPU"

_HUGE = 2.0**31  # no sampling parameter is larger; excludes infinity


@frozen()
class EmbeddingLimits:
    """How long the texts for an embeddings server are, and how it makes one vector of each.

    Attributes:
        text: tokens of the longest text, with those that mark its beginning and end.
        whole: whether the server must compute a text at once; otherwise it does so in pieces.
        encodes: whether the model has no KV cache.
        pooling: how the vectors of tokens become one, if the model does not say it.
        dimension: numbers in a vector; None if that is not known.
    """

    text: int
    whole: bool = True
    encodes: bool = True
    pooling: str | None = None
    dimension: int | None = None


@frozen()
class MountedModel:
    """A model as the container sees it; paths are paths in the container.

    Attributes:
        weights: the (first) file, or a directory of safetensors with the files that belong to them.
        alias: the model's name for clients.
        template_name: the name of a chat template that is built into llama.cpp.
        parameters: its author's sampling defaults, by Ollama's names; not trusted.
        embedding: the limits of an embeddings server; None if they are unknown.

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
    embedding: EmbeddingLimits | None = None


def is_number(value: object) -> TypeGuard[float]:
    """Return whether *value*, which is not trusted, is a finite number that an option can have."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _HUGE


@frozen()
class ListenAddress:
    """The address where the server listens inside the container: a UNIX socket, or host and port.

    *api_key_file* is a file inside the container; None means that no key is required.
    """

    host: str
    port: int | None = None
    api_key_file: str | None = None


@frozen()
class ServerEnvironment:
    """The environment of a server in its container.

    *kind* is the kind of accelerator, and *gpus* the number of GPUs. *image* is None in a dry run,
    which assumes RamaLama's own image.
    """

    listen: ListenAddress
    threads: int
    kind: AcceleratorKind
    gpus: int = 0
    image: LocalImage | None

    @property
    def gpu(self) -> bool:
        """Whether the server has a GPU."""
        return self.kind is not AcceleratorKind.CPU


@frozen()
class ServerSpec:
    """How the server is started and checked.

    *entrypoint* None keeps the image's. *health_path* answers 200 once the model is loaded.
    *wants_gpu* says whether to warn if the server computes on the CPU only. *compiles* means that
    the server loads code that it has just written. *shared_memory* means that its processes share
    more memory than an engine's default of 64 MB. *working_memory* is how many bytes of main memory
    it may need besides the model and its context.
    """

    entrypoint: tuple[str, ...] | None
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    health_path: str
    wants_gpu: bool = False
    compiles: bool = False
    shared_memory: bool = False
    working_memory: int = 4 << 30


@frozen()
class ServerReport:
    """What a server's log says about its devices; a field is None if the log does not say it.

    Attributes:
        device: where the model's layers are, in the server's words (``CUDA0``), several separated
            by commas; "CPU" if no layer is on a GPU.
        context: tokens.
    """

    device: str | None = None
    layers_offloaded: int | None = None
    layers_total: int | None = None
    context: int | None = None

    @property
    def on_cpu(self) -> bool:
        """Whether the server says that it computes on the CPU only."""
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
        """The name, as in `--runtime`."""
        ...

    @property
    def format(self) -> ModelFormat:
        """The preferred format of models, if there are several."""
        ...

    def check(self, model: StoredModel) -> None:
        """Check, before anything large is downloaded, that the server can load *model*.

        Raises:
            ModelUnsupported: the server cannot load it.
        """
        ...

    def server(
        self, model: MountedModel, options: ServeOptions, environment: ServerEnvironment
    ) -> ServerSpec:
        """Return the server's command line and settings; without any I/O."""
        ...

    def explain(self, log: Sequence[str]) -> str | None:
        """Return briefly why a server has died, from its log; None if the log does not say."""
        ...

    def listens(self, log: Sequence[str]) -> bool:
        """Return whether the log says that the server answers requests."""
        ...

    def report(self, log: Sequence[str]) -> ServerReport:
        """Return what the log of a server that is ready says about its devices."""
        ...


_LARGEST_CONTEXT = 2**24  # tokens; no model has so large a context


def option(name: str, value: object | None) -> Iterator[str]:
    """Yield the words of an option; nothing for None, which keeps the server's default."""
    if value is not None:
        yield name
        yield str(value)


def context_size(options: ServeOptions, parameters: Mapping[str, object]) -> int:
    """Return the context size in tokens; 0 means the context of the model.

    It is the user's value, or else the author's, or else the default. *parameters* are the
    author's, see `MountedModel`. For embeddings it is that of the model, unless the user chose one.
    """
    if options.ctx_size is not None:
        return options.ctx_size
    if options.embeddings:
        return 0
    wanted = parameters.get("num_ctx")
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        return DEFAULT_CONTEXT
    return wanted if 0 < wanted <= _LARGEST_CONTEXT else DEFAULT_CONTEXT


def temperature(options: ServeOptions, model: MountedModel) -> float:
    """Return the temperature: the user's, or else the author's, or else the default."""
    if options.temp is not None:
        return float(options.temp)  # 0 is the same as 0.0, on command lines too
    wanted = model.parameters.get("temperature")
    return wanted if is_number(wanted) and wanted >= 0 else DEFAULT_TEMPERATURE
