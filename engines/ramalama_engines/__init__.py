"""Create and watch containers through the REST APIs of Podman and Docker, without knowing models.

Importing this package loads almost nothing: a name's module is loaded when the name is first used.
`connect` loads only the SDK that the engine needs. For tests there is an engine in memory,
`ramalama_engines.fake.FakeEngine`.
"""

# Type checkers know this name; importing `typing` would take time that not every caller needs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ramalama_engines.address import EngineAddress, TlsFiles
    from ramalama_engines.discovery.candidates import candidates
    from ramalama_engines.discovery.connection import (
        Connection,
        EngineChoice,
        connect,
        open_engine,
    )
    from ramalama_engines.discovery.locate import Candidate, EngineLocation
    from ramalama_engines.discovery.remedy import how_to_start
    from ramalama_engines.engine import Engine
    from ramalama_engines.errors import (
        ContainerConflict,
        ContainerNotFound,
        ContainerStartError,
        DeviceNotFound,
        EngineError,
        EngineUnavailable,
        ImageBuildError,
        ImageNotFound,
        ImagePullError,
        ProgramNotFound,
        UnknownRuntime,
        UnsupportedOption,
    )
    from ramalama_engines.image_reference import ImageReference, is_image_id
    from ramalama_engines.kinds import EngineKind, PullPolicy
    from ramalama_engines.pull_policy import ImagePull, ensure_image
    from ramalama_engines.registry_auth.choose import FoundAuth, find_auth
    from ramalama_engines.spec import (
        BindMount,
        CdiDevice,
        ContainerFile,
        ContainerSpec,
        ContainerState,
        ContainerStatus,
        Device,
        EngineInfo,
        HostDevice,
        LocalImage,
        Mount,
        PortBinding,
        PullProgress,
        RegistryAuth,
        TmpfsMount,
        Ulimit,
        Volume,
        VolumeMount,
        parse_device,
    )
    from ramalama_engines.user import InvokingUser

__all__ = [
    "BindMount",
    "Candidate",
    "CdiDevice",
    "Connection",
    "ContainerConflict",
    "ContainerFile",
    "ContainerNotFound",
    "ContainerSpec",
    "ContainerStartError",
    "ContainerState",
    "ContainerStatus",
    "Device",
    "DeviceNotFound",
    "Engine",
    "EngineAddress",
    "EngineChoice",
    "EngineError",
    "EngineInfo",
    "EngineKind",
    "EngineLocation",
    "EngineUnavailable",
    "FoundAuth",
    "HostDevice",
    "ImageBuildError",
    "ImageNotFound",
    "ImagePull",
    "ImagePullError",
    "ImageReference",
    "InvokingUser",
    "LocalImage",
    "Mount",
    "PortBinding",
    "ProgramNotFound",
    "PullPolicy",
    "PullProgress",
    "RegistryAuth",
    "TlsFiles",
    "TmpfsMount",
    "Ulimit",
    "UnknownRuntime",
    "UnsupportedOption",
    "Volume",
    "VolumeMount",
    "candidates",
    "connect",
    "ensure_image",
    "find_auth",
    "how_to_start",
    "is_image_id",
    "open_engine",
    "parse_device",
]

_VALUES = "spec"
_HOMES = {
    "Candidate": "discovery.locate",
    "Connection": "discovery.connection",
    "ContainerConflict": "errors",
    "ContainerNotFound": "errors",
    "ContainerStartError": "errors",
    "DeviceNotFound": "errors",
    "Engine": "engine",
    "EngineAddress": "address",
    "EngineChoice": "discovery.connection",
    "EngineError": "errors",
    "EngineKind": "kinds",
    "EngineLocation": "discovery.locate",
    "EngineUnavailable": "errors",
    "FoundAuth": "registry_auth.choose",
    "ImageBuildError": "errors",
    "ImageNotFound": "errors",
    "ImagePull": "pull_policy",
    "ImagePullError": "errors",
    "ImageReference": "image_reference",
    "ProgramNotFound": "errors",
    "PullPolicy": "kinds",
    "TlsFiles": "address",
    "UnknownRuntime": "errors",
    "UnsupportedOption": "errors",
    "InvokingUser": "user",
    "candidates": "discovery.candidates",
    "connect": "discovery.connection",
    "ensure_image": "pull_policy",
    "find_auth": "registry_auth.choose",
    "how_to_start": "discovery.remedy",
    "is_image_id": "image_reference",
    "open_engine": "discovery.connection",
}


if not TYPE_CHECKING:  # a checker that sees it takes every name for a public one

    def __getattr__(name: str) -> object:
        """Load a public name when it is first used (PEP 562)."""
        if name not in __all__:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        from importlib import import_module  # noqa: PLC0415 (late, like what it imports)

        from ramalama_values.type_hints import make_resolvable  # noqa: PLC0415 (likewise)

        value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, _VALUES)}"), name)
        make_resolvable(value)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
