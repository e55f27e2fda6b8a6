"""What one call asks for."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ramalama.config.defaults import AUTOMATIC_LAYERS, LOOPBACK
from ramalama.config.option_table import SERVER_OPTIONS
from ramalama.config.value_types import show
from ramalama.errors import OptionRefused
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines.kinds import PullPolicy
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ramalama.models.reference.reference import ModelRef
    from ramalama_engines.spec import Device


@frozen()
class ServeOptions:
    """A model server to start; what is None is chosen for you.

    Attributes:
        model: what to serve.
        draft: a small model that guesses ahead for *model*; None is its author's choice, if any.
        runtime: the inference server.
        ctx_size: tokens of context, shared by requests that are answered at the same time; None is
            its author's choice, else 2048; 0 is the model's own.
        ngl: layers on the GPU, for llama.cpp; see `ramalama.config.defaults`, 0 is the CPU
            alone.
        threads: CPU threads; None is half the cores that this process may use.
        temp: sampling temperature; None is its author's choice, else 0.8.
        seed: of the sampler; None is random.
        parallel: requests answered at the same time; None is the server's own choice.
        runtime_args: further arguments of the inference server, after ours.
        image: OCI image; None is the accelerator's.
        network: "none" reaches the server through a UNIX socket, anything else through a port.
        port: host port to publish on; None lets the engine pick. Needs a network.
        host: address of this host to publish on. Needs a network.
        api_key: what the server asks for; None makes one up. Needs a network.
        name: of the container; None makes one up.
        env: environment of the container.
        devices: further host devices; None maps those of the accelerator only, () none at all.
        privileged: switch off what isolates the container.
        selinux: keep SELinux separation on.
        oci_runtime: None is the engine's default.
        authfile: credentials for the registries of the image and the model.
        tls_verify: require HTTPS of these, with a certificate that verifies.
        force: start a model whose weights exceed this host's memory, too.
    """

    model: ModelRef
    draft: ModelRef | None = None
    runtime: RuntimeName = RuntimeName.LLAMA_CPP
    ctx_size: int | None = None
    ngl: int = AUTOMATIC_LAYERS
    threads: int | None = None
    temp: float | None = None
    seed: int | None = None
    parallel: int | None = None
    runtime_args: tuple[str, ...] = ()
    image: str | None = None
    pull_policy: PullPolicy = PullPolicy.MISSING
    network: str = "none"
    port: int | None = None
    host: str = LOOPBACK
    api_key: str | None = field(default=None, repr=False)
    name: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    devices: tuple[Device, ...] | None = None
    privileged: bool = False
    keep_groups: bool = False
    selinux: bool = True
    oci_runtime: str | None = None
    authfile: Path | None = None
    tls_verify: bool = True
    force: bool = False

    def __post_init__(self) -> None:
        """Refuse values that no server can have; a text that spells a word becomes that word.

        Raises:
            OptionRefused: see the message.
        """
        for spec in SERVER_OPTIONS:
            value: object = getattr(self, spec.field)
            if value is None and spec.default is None:
                continue
            try:
                checked = spec.type.check(value)
            except ValueError as exc:
                msg = f"{spec.field} is {exc}, not {show(value)}"
                raise OptionRefused(msg) from None
            object.__setattr__(self, spec.field, checked)


def check_seconds(name: str, value: object) -> None:
    """Refuse what is neither None nor a number of 0 or more; infinity is one, NaN is not.

    Raises:
        OptionRefused: *name* says of which option.
    """
    if value is None:
        return
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return
    msg = f"{name} is a number of seconds, 0 or more, not {value!r}"
    raise OptionRefused(msg)
