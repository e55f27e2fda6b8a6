"""What can go wrong, for those who embed us; the command line prints the message and no more.

* RamalamaError
  x ConfigError            a setting in a file or in the environment makes no sense
  x InvalidReference       what the user typed names no model
  x ModelError
    + ModelNotFound        no such file
      + UnknownModel       no such model in its registry (.alternatives)
    + ModelUnreadable      it is there, but the server could not read it
    + ModelUnsupported     it is there, but it is not a model that the runtime can load
    + WrongEndianness      made for machines of the other byte order
    + ModelTooLarge        its weights or its context exceed this host's memory
    + ModelPullError       it could not be fetched, or what came is not what was announced
    + AccessDenied         its registry wants a password, a token or an accepted licence
    + ModelPushError       its registry did not take it
  x StoreError             the directory of the models cannot be used as it is
  x EngineFailure          the container engine refused or failed (.cause is its EngineError)
  x ServerError
    + ServerExited         the server's container ended (.exit_code, .log_tail)
    + ServerNotReady       it runs, but did not become ready in time
    + StartCancelled       whoever asked for it has called it off
  x OptionRefused          two options contradict each other, or one makes no sense here
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama_engines.errors import EngineError


class RamalamaError(Exception):
    """Anything that we raise on purpose; the message is one line, written for the user."""


class ConfigError(RamalamaError):
    """A setting of a configuration file or of the environment makes no sense."""


class InvalidReference(RamalamaError):
    """What the user typed names no model."""


class OptionRefused(RamalamaError):
    """Options contradict each other, or one makes no sense on this machine."""


class ModelError(RamalamaError):
    """The model cannot be used."""


class ModelNotFound(ModelError):
    """There is no such model."""


class UnknownModel(ModelNotFound):
    """Its registry has no such model; *alternatives* are references that it does have."""

    def __init__(self, message: str, *, alternatives: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.alternatives = alternatives


class ModelUnreadable(ModelError):
    """The model is there, but the server would not be allowed to read it."""


class ModelUnsupported(ModelError):
    """The file is there, but it is not a model that the runtime can load."""


class ModelTooLarge(ModelError):
    """The model's weights, or its context, alone exceed the memory of this host."""


class WrongEndianness(ModelUnsupported):
    """The model was made for machines of the other byte order."""


class ModelPullError(ModelError):
    """The model could not be fetched, or what came is not what was announced."""


class AccessDenied(ModelPullError):
    """The model's registry wants a password, a token or an accepted licence."""


class ModelPushError(ModelError):
    """The registry did not take the model."""


class StoreError(RamalamaError):
    """The directory of the models cannot be used as it is."""


class EngineFailure(RamalamaError):
    """The container engine refused or failed; *cause* tells how."""

    def __init__(self, cause: EngineError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class ServerError(RamalamaError):
    """The model server does not serve."""


class ServerExited(ServerError):
    """The server's container ended by itself.

    *exit_code* is the container's, 128 + n after signal n, None where the engine no longer knows
    it; *log_tail* holds its last lines.
    """

    def __init__(
        self, message: str, *, exit_code: int | None, log_tail: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.log_tail = log_tail


class ServerNotReady(ServerError):
    """The server runs, but did not become ready in time; *log_tail* holds its last lines."""

    def __init__(self, message: str, *, log_tail: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.log_tail = log_tail


class StartCancelled(ServerError):
    """Whoever asked for the server has called its start off; nothing of it is left."""


@contextmanager
def engine_errors() -> Generator[None]:
    """Turn what an engine raises in the block into `EngineFailure`."""
    from ramalama_engines.errors import EngineError  # noqa: PLC0415 (models do without engines)

    try:
        yield
    except EngineError as exc:
        raise EngineFailure(exc) from exc
