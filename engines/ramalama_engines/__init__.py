"""Create and watch containers through the REST APIs of Podman and Docker; knows no models.

Importing this package loads no SDK: `connect` loads the one that the engine needs. What only a pull
takes is loaded when it is first used. The engine in memory, for tests, is
`ramalama_engines.fake.FakeEngine`.
"""

from ramalama_engines.candidates import Candidate, candidates
from ramalama_engines.connect import (
    Connection,
    EngineChoice,
    connect,
    how_to_start,
    open_engine,
)
from ramalama_engines.errors import (
    ContainerConflict,
    ContainerNotFound,
    ContainerStartError,
    EngineError,
    EngineUnavailable,
    ImageBuildError,
    ImageNotFound,
    ImagePullError,
    UnsupportedOption,
)
from ramalama_engines.user import User
from ramalama_engines.values import (
    BindMount,
    CdiDevice,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    Device,
    EngineInfo,
    EngineKind,
    HostDevice,
    LocalImage,
    Mount,
    PortBinding,
    PullPolicy,
    PullProgress,
    RegistryAuth,
    TmpfsMount,
    Ulimit,
    parse_device,
)

# Type checkers know the name without `typing`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ramalama_engines.auth import FoundAuth, find_auth
    from ramalama_engines.base import Engine
    from ramalama_engines.images import ImagePull, ensure_image
    from ramalama_engines.reference import ImageReference, is_image_id

__all__ = [
    "BindMount",
    "Candidate",
    "CdiDevice",
    "Connection",
    "ContainerConflict",
    "ContainerNotFound",
    "ContainerSpec",
    "ContainerStartError",
    "ContainerState",
    "ContainerStatus",
    "Device",
    "Engine",
    "EngineChoice",
    "EngineError",
    "EngineInfo",
    "EngineKind",
    "EngineUnavailable",
    "FoundAuth",
    "HostDevice",
    "ImageBuildError",
    "ImageNotFound",
    "ImagePull",
    "ImagePullError",
    "ImageReference",
    "LocalImage",
    "Mount",
    "PortBinding",
    "PullPolicy",
    "PullProgress",
    "RegistryAuth",
    "TmpfsMount",
    "Ulimit",
    "UnsupportedOption",
    "User",
    "candidates",
    "connect",
    "ensure_image",
    "find_auth",
    "how_to_start",
    "is_image_id",
    "open_engine",
    "parse_device",
]

_HOMES = {
    "Engine": "base",
    "FoundAuth": "auth",
    "ImagePull": "images",
    "ImageReference": "reference",
    "ensure_image": "images",
    "find_auth": "auth",
    "is_image_id": "reference",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module  # noqa: PLC0415 (late, like what it imports)

    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
