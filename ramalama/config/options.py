"""The options of one model server."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ramalama.config.api_name import ApiName
from ramalama.config.defaults import AUTOMATIC_LAYERS, LOOPBACK
from ramalama.config.option_table import MODEL, SERVER_OPTIONS
from ramalama.errors import OptionRefused
from ramalama.value_types import brief, checked
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines.kinds import PullPolicy
from ramalama_values import Accepts, accepts, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ramalama.config.words import ApiWord, PullWord, RuntimeWord
    from ramalama.models.reference.reference import ModelRef
    from ramalama_engines.spec import Device

_TYPES = {"model": MODEL, **{spec.field: spec.given or spec.type for spec in SERVER_OPTIONS}}


@frozen()
class ServeOptions:
    """A model server to start; None lets the program choose.

    Attributes:
        model: the model to serve.
        draft: draft model for speculative decoding; None is the choice of the model's author.
        runtime: the inference server.
        ctx_size: tokens of context, shared by requests that are answered at the same time; None is
            the choice of the model's author, else 2048; 0 is the largest that the model supports.
        ngl: layers on the GPU, for llama.cpp: `AUTOMATIC_LAYERS` (-1) leaves the number to the
            server, `ALL_LAYERS` (999) means all, and 0 uses only the CPU.
        threads: CPU threads; None is half the cores that this process may use.
        temp: sampling temperature; None is the choice of the model's author, else 0.8.
        seed: seed of the sampler; None is random.
        parallel: requests answered at the same time; None is the server's own choice.
        api: what stands before the inference server: nothing, or Llama Stack.
        runtime_args: more arguments for the inference server, after those that RamaLama writes.
        image: OCI image; None is the image of the accelerator.
        stack_image: OCI image of Llama Stack; None is RamaLama's own.
        pull_policy: when to pull an image.
        network: "none" reaches the server through a UNIX socket, anything else through a port.
        port: host port to publish on; None lets the engine pick. Needs a network.
        host: address of this host to publish on. Needs a network.
        api_key: key that clients must send; None makes a random one. Needs a network.
        name: name of the container; None makes a random one.
        env: environment of the container.
        devices: more host devices; None maps only those of the accelerator, () maps no device.
        memory: bytes of memory that the container may use; None is an estimate of what the model
            needs, with a reserve; 0 sets no limit.
        privileged: turn off the isolation of the container, except for its network.
        keep_groups: keep the user's supplementary groups in the container; needs Podman with crun.
        selinux: keep SELinux separation on.
        oci_runtime: OCI runtime of the container; None is the engine's default.
        authfile: file with credentials for the registries of the image and the model.
        tls_verify: require HTTPS with a valid certificate from these registries.
        rag: documents that are searched for each question of `ModelServer.chat`: an index, a file
            or directory of documents, or an OCI image with an index; a `Path` is never an image. A
            client of the server (`ModelServer.client`) asks the model without them.
        embeddings: turn texts into vectors, instead of answering; for embedding models. The context
            is then the longest text, None is the longest that the model was trained with.
        force: start a model even if its weights or its context exceed the memory of this host, or
            if it is not made for the task: a chat model for *embeddings*, and the reverse.
    """

    model: ModelRef
    draft: ModelRef | None = None
    runtime: Accepts[RuntimeName, RuntimeWord] = accepts(default=RuntimeName.LLAMA_CPP)
    ctx_size: int | None = None
    ngl: int = AUTOMATIC_LAYERS
    threads: int | None = None
    temp: float | None = None
    seed: int | None = None
    parallel: int | None = None
    api: Accepts[ApiName, ApiWord] = accepts(default=ApiName.NONE)
    runtime_args: Accepts[tuple[str, ...], Sequence[str]] = accepts(default=())
    image: str | None = None
    stack_image: str | None = None
    pull_policy: Accepts[PullPolicy, PullWord] = accepts(default=PullPolicy.MISSING)
    network: str = "none"
    port: int | None = None
    host: str = LOOPBACK
    api_key: str | None = field(default=None, repr=False)
    name: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    devices: Accepts[tuple[Device, ...] | None, Sequence[Device]] = accepts(default=None)
    memory: int | None = None
    privileged: bool = False
    keep_groups: bool = False
    selinux: bool = True
    oci_runtime: str | None = None
    authfile: Accepts[Path | None, str] = accepts(default=None)
    tls_verify: bool = True
    embeddings: bool = False
    force: bool = False
    rag: str | Path | None = None

    def __post_init__(self) -> None:
        """Check all values, and convert them: words to members of an enumeration, lists to tuples.

        Raises:
            OptionRefused: a value is invalid.
        """
        checked(self, _TYPES, OptionRefused, secret=("api_key",))

    def __repr__(self) -> str:
        return brief(self, secret=("env",))


def check_seconds(name: str, value: object) -> None:
    """Check that *value* is None or a number of seconds from 0; infinity is valid, NaN is not.

    Raises:
        OptionRefused: it is neither; the message contains the *name* of the option.
    """
    if value is None:
        return
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return
    msg = f"{name} is a number of seconds, 0 or more, not {value!r}"
    raise OptionRefused(msg)
