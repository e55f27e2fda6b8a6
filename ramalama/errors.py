"""The errors of the library; the command line prints each as one line.

Each has a *message*, a *hint* (what to do next, or None) and the *exit_code* of the command, see
`RamalamaError`. `ramalama.cli.exit_codes` lists what the codes mean.

* RamalamaError            the root; also of `ramalama_chat.errors` and `ramalama_engines.errors`
  x ConfigError            a setting in a file or in the environment is invalid
  x InvalidReference       a text is not a valid reference of a model
  x ModelError
    + ModelNotFound        the file does not exist
      + UnknownModel       the registry does not have the model (.alternatives)
    + ModelUnreadable      the model exists, but the server could not read it
    + ModelUnsupported     the model exists, but the runtime cannot load it
      + WrongEndianness    the model has the byte order of other machines
    + ModelTooLarge        its weights or its context exceed the memory of this host
    + ModelPullError       the download failed, or its content is not what was announced
      + AccessDenied       the registry requires a password, a token or an accepted licence
    + ModelPushError       the upload to the registry failed
  x StoreError             the directory of the models cannot be used as it is
  x RagError
    + DocumentNotFound     a document that the user named does not exist
    + NothingToIndex       none of the documents could be read
    + IndexNotFound        there is no index at the path
    + IndexInvalid         the file is not an index of documents, or it is damaged
    + IndexUnwritable      the index cannot be written: the disk is full
    + EmbeddingFailed      the embedding model does not answer, or not as it should
    + ReadingFailed        the model that reads scanned pages does not answer, or not as it should
  x EngineFailure          the container engine reported an error (.cause is its EngineError)
  x ServerError
    + ServerExited         the server's container ended (.exit_code, .log_tail)
    + ServerNotReady       the server did not become ready in time; a TimeoutError, too
    + StartCancelled       the caller has cancelled the start
  x OptionRefused          two options contradict each other, or one is invalid on this host
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ramalama_values.errors import RamalamaError

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama_engines.errors import EngineError

__all__ = [
    "AccessDenied",
    "ConfigError",
    "DocumentNotFound",
    "EmbeddingFailed",
    "EngineFailure",
    "IndexInvalid",
    "IndexNotFound",
    "IndexUnwritable",
    "InvalidReference",
    "ModelError",
    "ModelNotFound",
    "ModelPullError",
    "ModelPushError",
    "ModelTooLarge",
    "ModelUnreadable",
    "ModelUnsupported",
    "NothingToIndex",
    "OptionRefused",
    "RagError",
    "RamalamaError",
    "ReadingFailed",
    "ServerError",
    "ServerExited",
    "ServerNotReady",
    "StartCancelled",
    "StoreError",
    "UnknownModel",
    "WrongEndianness",
    "engine_errors",
]


class ConfigError(RamalamaError):
    """A setting in a configuration file or in the environment is invalid."""

    exit_code = 22


class InvalidReference(RamalamaError):
    """A text is not a valid reference of a model."""

    exit_code = 22


class OptionRefused(RamalamaError):
    """Options contradict each other, or one is invalid on this machine."""

    exit_code = 22


class ModelError(RamalamaError):
    """The model cannot be used."""


class ModelNotFound(ModelError):
    """The model does not exist."""

    exit_code = 2


class UnknownModel(ModelNotFound):
    """The registry does not have the model; *alternatives* are references that it has."""

    exit_code = 22

    def __init__(
        self, message: str, *, hint: str | None = None, alternatives: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.alternatives = alternatives


class ModelUnreadable(ModelError):
    """The model exists, but the server would not be allowed to read it."""

    exit_code = 5


class ModelUnsupported(ModelError):
    """The file exists, but it is not a model that the runtime can load."""

    exit_code = 22


class ModelTooLarge(ModelError):
    """The weights alone, or the context alone, exceed the memory of this host."""

    exit_code = 22


class WrongEndianness(ModelUnsupported):
    """The model has the byte order of other machines."""

    exit_code = 1


class ModelPullError(ModelError):
    """The download of the model failed, or its content is not what was announced."""

    exit_code = 22


class AccessDenied(ModelPullError):
    """The registry requires a password, a token or an accepted licence."""


class ModelPushError(ModelError):
    """The upload of the model to the registry failed."""

    exit_code = 22


class StoreError(RamalamaError):
    """The directory of the models cannot be used as it is."""

    exit_code = 5


class RagError(RamalamaError):
    """Documents could not be indexed, or could not be searched."""


class DocumentNotFound(RagError):
    """A document that the user named does not exist."""

    exit_code = 2


class NothingToIndex(RagError):
    """None of the documents could be read."""

    exit_code = 22


class IndexNotFound(RagError):
    """There is no index at the path."""

    exit_code = 2


class IndexInvalid(RagError):
    """The file is not an index of documents that this version can read, or it is damaged."""

    exit_code = 22


class IndexUnwritable(RagError):
    """The index cannot be written where it should be, for example because the disk is full."""

    exit_code = 5


class EmbeddingFailed(RagError):
    """The server of an embedding model does not answer, or not as it should."""


class ReadingFailed(RagError):
    """The server of a model that reads scanned pages does not answer, or not as it should."""


class EngineFailure(RamalamaError):
    """The container engine reported an error, which is *cause*, or does not answer."""

    def __init__(self, cause: EngineError) -> None:
        super().__init__(cause.message, hint=cause.hint)
        self.cause = cause
        self.exit_code = cause.exit_code


class ServerError(RamalamaError):
    """The model server could not be started or has ended."""


class ServerExited(ServerError):
    """The server's container ended by itself.

    *exit_code* is that of the container, 128 + n after signal n; None if the engine does not know
    it. *log_tail* has the last lines of its log.
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


class ServerNotReady(ServerError, TimeoutError):
    """The server runs, but did not become ready in time; *log_tail* has the end of its log."""

    exit_code = 110

    def __init__(
        self, message: str, *, hint: str | None = None, log_tail: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.log_tail = log_tail


class StartCancelled(ServerError):
    """The caller has cancelled the start of the server; everything was undone."""


@contextmanager
def engine_errors() -> Generator[None]:
    """Raise an `EngineFailure` for each `EngineError` in the block."""
    from ramalama_engines.errors import EngineError  # noqa: PLC0415 (models do without engines)

    try:
        yield
    except EngineError as exc:
        raise EngineFailure(exc) from exc
