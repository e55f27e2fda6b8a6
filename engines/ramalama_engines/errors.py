"""What can go wrong between us and a container engine.

* EngineError (has .engine, and the parts of `ramalama_values.errors.ExplainedError`)
  x EngineUnavailable      no engine answers at the address, or it went away in the middle
  x ImageNotFound          not in the local storage
  x ImagePullError         the registry refused, is unreachable, or the disk is full
  x ImageBuildError        a step of the build failed, or the folder to build from is unreadable
  x ContainerNotFound
  x ContainerConflict      the name or the port is taken
  x ContainerStartError    created, but the engine could not start it
    + ProgramNotFound      since the image has no such program
  x DeviceNotFound         what was asked for is on the engine's host not there, or no device
  x UnsupportedOption      the engine cannot do what was asked, or would drop it without a word
    + UnknownRuntime       it has no OCI runtime of that name
"""

from ramalama_values.errors import ExplainedError


class EngineError(ExplainedError):
    """Any failure of a container engine.

    *engine* names which one ("podman", "docker"); it is empty where none was reached.
    """

    exit_code = 125  # as of `podman run` and `docker run` for failures of their own

    def __init__(self, message: str, *, hint: str | None = None, engine: str = "") -> None:
        super().__init__(message, hint=hint)
        self.engine = engine


class EngineUnavailable(EngineError):
    """No engine answers at the address, we may not talk to it, or it went away."""


class ImageNotFound(EngineError):
    """The image is not in the engine's local storage."""


class ImagePullError(EngineError):
    """The image could not be pulled; the message carries the registry's or the engine's words."""


class ImageBuildError(EngineError):
    """The image could not be built; the message carries the engine's words."""


class ContainerNotFound(EngineError):
    """No container has this name or ID."""


class ContainerConflict(EngineError):
    """The name is taken by another container, or the host port by another program."""


class ContainerStartError(EngineError):
    """The container was created, but the engine could not start its program."""


class ProgramNotFound(ContainerStartError):
    """The image has no such program, or one that may not be executed."""

    exit_code = 22


class DeviceNotFound(EngineError):
    """A device is not on the engine's host, is none, or is not described there; nothing runs.

    Docker looks for devices, and Podman for those that CDI describes, when a container that was
    created is to start.
    """

    exit_code = 22


class UnsupportedOption(EngineError):
    """The engine cannot honour an option; nothing was left behind."""

    exit_code = 38


class UnknownRuntime(UnsupportedOption):
    """The engine has no OCI runtime of that name; the message says which it has, if it tells."""

    exit_code = 22
