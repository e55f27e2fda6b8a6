"""What can go wrong, for programs that use the library; the command line prints one line of it.

Each has a *message*, a *hint* (what to do next, or None) and the *exit_code* of the command, see
`ramalama_values.errors.ExplainedError`. `ramalama.cli.exit_codes` lists what the codes mean.

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

from ramalama_values.errors import ExplainedError

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama_engines.errors import EngineError


class RamalamaError(ExplainedError):
    """Anything that we raise on purpose; as text it is one line, written for the user."""


class ConfigError(RamalamaError):
    """A setting of a configuration file or of the environment makes no sense."""

    exit_code = 22


class InvalidReference(RamalamaError):
    """What the user typed names no model."""

    exit_code = 22


class OptionRefused(RamalamaError):
    """Options contradict each other, or one makes no sense on this machine."""

    exit_code = 22


class ModelError(RamalamaError):
    """The model cannot be used."""


class ModelNotFound(ModelError):
    """There is no such model."""

    exit_code = 2


class UnknownModel(ModelNotFound):
    """Its registry has no such model; *alternatives* are references that it does have."""

    exit_code = 22

    def __init__(
        self, message: str, *, hint: str | None = None, alternatives: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.alternatives = alternatives


class ModelUnreadable(ModelError):
    """The model is there, but the server would not be allowed to read it."""

    exit_code = 5


class ModelUnsupported(ModelError):
    """The file is there, but it is not a model that the runtime can load."""

    exit_code = 22


class ModelTooLarge(ModelError):
    """The model's weights, or its context, alone exceed the memory of this host."""

    exit_code = 22


class WrongEndianness(ModelUnsupported):
    """The model was made for machines of the other byte order."""

    exit_code = 1


class ModelPullError(ModelError):
    """The model could not be fetched, or what came is not what was announced."""

    exit_code = 22


class AccessDenied(ModelPullError):
    """The model's registry wants a password, a token or an accepted licence."""


class ModelPushError(ModelError):
    """The registry did not take the model."""

    exit_code = 22


class StoreError(RamalamaError):
    """The directory of the models cannot be used as it is."""

    exit_code = 5


class EngineFailure(RamalamaError):
    """The container engine refused or failed; *cause* tells how."""

    def __init__(self, cause: EngineError) -> None:
        super().__init__(cause.message, hint=cause.hint)
        self.cause = cause
        self.exit_code = cause.exit_code


class ServerError(RamalamaError):
    """The model server does not serve."""


class ServerExited(ServerError):
    """The server's container ended by itself.

    *exit_code* is the container's, 128 + n after signal n, None where the engine no longer knows
    it; *log_tail* holds its last lines.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        exit_code: int | None,
        log_tail: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code
        self.log_tail = log_tail


class ServerNotReady(ServerError):
    """The server runs, but did not become ready in time; *log_tail* holds its last lines."""

    exit_code = 110

    def __init__(
        self, message: str, *, hint: str | None = None, log_tail: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint)
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
