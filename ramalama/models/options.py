"""How models are pulled and pushed."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from ramalama_values import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.reference.reference import Scheme


class ModelSettings(Protocol):
    """What models ask of the settings of this host; `Config` has it."""

    @property
    def store(self) -> str | None:
        """The directory of the models; None is the usual one."""
        ...

    @property
    def transport(self) -> Scheme:
        """The transport of references that name none."""
        ...


class ModelFormat(StrEnum):
    """What a runtime loads; where a repository has several, the runtime decides."""

    GGUF = "gguf"
    SAFETENSORS = "safetensors"


class PushKind(StrEnum):
    """How a model is packed in a registry; upstream's words."""

    ARTIFACT = "artifact"
    RAW = "raw"
    CAR = "car"


@frozen()
class PushOptions:
    """How a model is sent.

    Attributes:
        kind: how it is packed.
        base: the image under a car; of no use to the other kinds.
        authfile: credentials for OCI registries, instead of all the usual places.
        tls_verify: require HTTPS of these, with a certificate that verifies.
    """

    kind: PushKind = PushKind.RAW
    base: str = "registry.access.redhat.com/ubi10-micro:latest"
    authfile: Path | None = None
    tls_verify: bool = True


@frozen()
class PullOptions:
    """How a model is fetched.

    Attributes:
        wanted: the format to take where there is a choice.
        authfile: credentials for OCI registries, instead of all the usual places.
        tls_verify: require HTTPS of these, with a certificate that verifies.
        offline: ask nobody.
    """

    wanted: ModelFormat = ModelFormat.GGUF
    authfile: Path | None = None
    tls_verify: bool = True
    offline: bool = False
