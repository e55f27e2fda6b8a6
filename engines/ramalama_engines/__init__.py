"""Create and watch containers through the REST APIs of Podman and Docker; knows no models.

Importing this package loads no SDK: `connect` loads the one that the engine needs. The engine in
memory, for tests, is `ramalama_engines.fake.FakeEngine`.
"""

from ramalama_engines.auth import FoundAuth, find_auth
from ramalama_engines.base import Engine
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
from ramalama_engines.images import ImagePull, ensure_image
from ramalama_engines.reference import ImageReference, is_image_id
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
