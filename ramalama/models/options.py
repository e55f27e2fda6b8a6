"""Options for pulling and pushing models."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol

from ramalama.errors import OptionRefused
from ramalama.value_types import FilePath, Flag, Text, Word, brief, checked
from ramalama_values import Accepts, accepts, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ramalama.models.reference.scheme import Scheme
    from ramalama.value_types import ValueType


class ModelSettings(Protocol):
    """The settings of this host that `Models` needs; `Config` provides them."""

    @property
    def store(self) -> str | None:
        """The directory of the models; None means the default directory."""
        ...

    @property
    def transport(self) -> Scheme:
        """The transport of references without a scheme."""
        ...


FormatWord = Literal["gguf", "safetensors"]
PushWord = Literal["artifact", "raw", "car"]


class ModelFormat(StrEnum):
    """A format of models; if a repository has several, the runtime decides."""

    GGUF = "gguf"
    SAFETENSORS = "safetensors"


class PushKind(StrEnum):
    """How a model is packed in a registry; the names are those of upstream RamaLama."""

    ARTIFACT = "artifact"
    RAW = "raw"
    CAR = "car"


_TYPES: Mapping[str, ValueType] = {
    "wanted": Word(ModelFormat),
    "kind": Word(PushKind),
    "base": Text(),
    "authfile": FilePath(),
    "tls_verify": Flag(),
    "offline": Flag(),
}


@frozen()
class PushOptions:
    """How a model is pushed.

    Attributes:
        kind: how it is packed.
        base: the base image of a car; ignored for other kinds.
        authfile: the file with credentials for OCI registries, instead of the default files.
        tls_verify: require HTTPS of OCI registries, with a valid certificate.
    """

    kind: Accepts[PushKind, PushWord] = accepts(default=PushKind.RAW)
    base: str = "registry.access.redhat.com/ubi10-micro:latest"
    authfile: Accepts[Path | None, str] = accepts(default=None)
    tls_verify: bool = True

    def __post_init__(self) -> None:
        """Check all values, and convert texts to what they stand for.

        Raises:
            OptionRefused: a value is invalid.
        """
        checked(self, _TYPES, OptionRefused)

    def __repr__(self) -> str:
        return brief(self)


@frozen()
class PullOptions:
    """How a model is pulled.

    Attributes:
        wanted: the format to pull if a repository has several.
        authfile: the file with credentials for OCI registries, instead of the default files.
        tls_verify: require HTTPS of OCI registries, with a valid certificate.
        offline: do not use the network.
    """

    wanted: Accepts[ModelFormat, FormatWord] = accepts(default=ModelFormat.GGUF)
    authfile: Accepts[Path | None, str] = accepts(default=None)
    tls_verify: bool = True
    offline: bool = False

    def __post_init__(self) -> None:
        """Check all values, and convert texts to what they stand for.

        Raises:
            OptionRefused: a value is invalid.
        """
        checked(self, _TYPES, OptionRefused)

    def __repr__(self) -> str:
        return brief(self)
