"""Errors of the container engines.

* EngineError (a `RamalamaError`; has .engine)
  x EngineUnavailable      no engine answers at the address, or the connection broke
  x ImageNotFound          the image is not in the local storage
  x ImagePullError         the registry refused or is unreachable, or the disk is full
  x ImageBuildError        a step of the build failed, or the build context is unreadable
  x ContainerNotFound      no container has this name or ID
  x ContainerConflict      the name or the port is in use
  x ContainerStartError    the container was created, but the engine could not start it
    + ProgramNotFound      the image does not have the program
  x DeviceNotFound         the requested device does not exist on the engine's host
  x RemoteFileError        the host of the engine refuses access to one of its files
  x UnsupportedOption      the engine does not support an option, or would ignore it silently
    + UnknownRuntime       the engine has no OCI runtime of that name
"""

from ramalama_values.errors import RamalamaError


class EngineError(RamalamaError):
    """Any failure of a container engine.

    *engine* is its name ("podman", "docker"), or empty if no engine was reached.
    """

    exit_code = 125  # `podman run` and `docker run` have the same for their own failures

    def __init__(self, message: str, *, hint: str | None = None, engine: str = "") -> None:
        super().__init__(message, hint=hint)
        self.engine = engine


class EngineUnavailable(EngineError):
    """No engine answers at the address, access to it is denied, or the connection broke."""


class RemoteFileError(EngineError):
    """The host of the engine refuses access to a file of its own.

    *missing*, *denied* and *full* say whether there is no such file, the user may not, or the disk
    is full; otherwise the host only reports a failure.
    """

    def __init__(
        self, message: str, *, missing: bool = False, denied: bool = False, full: bool = False
    ) -> None:
        super().__init__(message)
        self.missing, self.denied, self.full = missing, denied, full


class ImageNotFound(EngineError):
    """The image is not in the engine's local storage."""


class ImagePullError(EngineError):
    """The image could not be pulled; the message includes the registry's or the engine's."""


class ImageBuildError(EngineError):
    """The image could not be built; the message includes the engine's."""


class ContainerNotFound(EngineError):
    """No container has this name or ID."""


class ContainerConflict(EngineError):
    """Another container has the name, or another program uses the host port."""


class ContainerStartError(EngineError):
    """The container was created, but the engine could not start its program."""


class ProgramNotFound(ContainerStartError):
    """The image does not have the program, or the program is not executable."""

    exit_code = 22


class DeviceNotFound(EngineError):
    """The engine's host has no such device, or no CDI description of it; no container runs.

    It is also raised for a path that is not a device. Docker looks for devices, and Podman for
    devices that CDI describes, only when it starts the created container.
    """

    exit_code = 22


class UnsupportedOption(EngineError):
    """The engine does not support an option; no container was left behind."""

    exit_code = 38


class UnknownRuntime(UnsupportedOption):
    """The engine has no OCI runtime of that name; the message lists its runtimes, if known."""

    exit_code = 22
