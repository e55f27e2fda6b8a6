"""What one call asks for."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, TypeGuard

from ramalama.errors import OptionRefused
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines.kinds import PullPolicy
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum
    from pathlib import Path

    from ramalama.models.reference.reference import ModelRef
    from ramalama_engines.spec import Device

ALL_LAYERS = 999
"""As `ngl`: every layer on the GPU."""

DEFAULT_CONTEXT = 2048
"""Tokens, where neither the user nor the model's author has chosen."""

DEFAULT_TEMPERATURE = 0.8
"""Where neither the user nor the model's author has chosen."""

AUTOMATIC_LAYERS = -1
"""As `ngl`: as many layers on the GPU as the server finds right."""


LOOPBACK = "127.0.0.1"
"""As `host`: this machine alone."""


@frozen()
class ServeOptions:
    """A model server to start; what is None is chosen for you.

    Attributes:
        model: what to serve.
        draft: a small model that guesses ahead for *model*; None is its author's choice, if any.
        runtime: the inference server.
        ctx_size: tokens of context, shared by requests that are answered at the same time; None is
            its author's choice, else 2048; 0 is the model's own.
        ngl: layers on the GPU, for llama.cpp; see `AUTOMATIC_LAYERS` and `ALL_LAYERS`, 0 is the
            CPU alone.
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
        for name, words in _WORDS.items():
            object.__setattr__(self, name, _read_word(name, getattr(self, name), words))
        for name, least in _LEAST.items():
            _check_whole(name, getattr(self, name), least)
        for name in _FLAGS:
            _check_flag(name, getattr(self, name))
        check_number("temp", self.temp)
        if isinstance(self.runtime_args, str):  # which is a sequence of texts, too
            msg = f"runtime_args is a tuple of words, not {self.runtime_args!r}"
            raise OptionRefused(msg)


_WORDS: Mapping[str, type[StrEnum]] = {"runtime": RuntimeName, "pull_policy": PullPolicy}
_FLAGS = ("privileged", "keep_groups", "selinux", "tls_verify", "force")
_LEAST: Mapping[str, int] = {
    "ctx_size": 0,
    "ngl": AUTOMATIC_LAYERS,
    "threads": 1,
    "parallel": 1,
    "port": 1,
    "seed": -(2**63),
}
_MOST: Mapping[str, int] = {"port": 65535}


def check_number(name: str, value: object, unit: str = "") -> None:
    """Refuse what is neither None nor a number of 0 or more.

    Raises:
        OptionRefused: *name* says of which option; NaN is no number.
    """
    if value is None or (_is_number(value) and value >= 0):
        return
    msg = f"{name} is a number{unit}, 0 or more, not {value!r}"
    raise OptionRefused(msg)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):  # "no" would be as good as True
        msg = f"{name} is True or False, not {value!r}"
        raise OptionRefused(msg)


def _check_whole(name: str, value: object, least: int) -> None:
    if value is None or (_is_whole(value) and least <= value <= _MOST.get(name, value)):
        return
    limits = f"from {least} to {_MOST[name]}" if name in _MOST else f"of {least} or more"
    msg = f"{name} is a whole number {limits}, not {value!r}"
    raise OptionRefused(msg)


def _read_word(name: str, value: str, words: type[StrEnum]) -> StrEnum:
    try:
        return words(value)
    except ValueError:
        msg = f"{name} is one of {', '.join(words)}, not {value!r}"
        raise OptionRefused(msg) from None
