"""The exit codes of the commands.

    0    success
    1    a request failed, or the model has the wrong byte order
    2    wrong usage, or no such model file
    5    the model cannot be read, or the output cannot be written
    22   an invalid value: reference, model file, setting, file for a chat, missing device, image
         without the server; or the registry does not have the model or refuses access to it
    38   the engine cannot do what was asked
    110  the server did not become ready in time
    124  --keepalive ended the command
    125  the engine does not run, rejects the request, or has no such image
    130  Ctrl-C; 128 + n after another signal n
    141  the reader of the output has closed the pipe

If the server exits by itself, its exit code is passed on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import (
    ConfigError,
    EngineFailure,
    InvalidReference,
    ModelNotFound,
    ModelPullError,
    ModelPushError,
    ModelTooLarge,
    ModelUnreadable,
    ModelUnsupported,
    OptionRefused,
    ServerExited,
    ServerNotReady,
    StoreError,
    UnknownModel,
    WrongEndianness,
)
from ramalama_chat.errors import InputRefused, KeepAliveExpired
from ramalama_engines.errors import (
    DeviceNotFound,
    ProgramNotFound,
    UnknownRuntime,
    UnsupportedOption,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = 1
USAGE = 2
IO_FAILED = 5
INVALID = 22
KEEPALIVE = 124
ENGINE = 125
INTERRUPTED = 130
BROKEN_PIPE = 141

# The first class that fits; subclasses stand before their bases.
_CODES: tuple[tuple[type[Exception], int], ...] = (
    (KeepAliveExpired, KEEPALIVE),
    (UnknownModel, INVALID),
    (ModelNotFound, USAGE),
    (ModelUnreadable, IO_FAILED),
    (WrongEndianness, FAILED),
    (ModelUnsupported, INVALID),
    (ModelTooLarge, INVALID),
    (ModelPullError, INVALID),
    (ModelPushError, INVALID),
    (StoreError, IO_FAILED),
    (InvalidReference, INVALID),
    (InputRefused, INVALID),
    (ConfigError, INVALID),
    (OptionRefused, INVALID),
    (ServerNotReady, 110),
)
_CODES_OF_ENGINES: tuple[tuple[type[Exception], int], ...] = (
    (UnknownRuntime, INVALID),
    (UnsupportedOption, 38),
    (DeviceNotFound, INVALID),
    (ProgramNotFound, INVALID),
)


def exit_code(error: Exception) -> int:
    """Choose the exit code for an error of ours."""
    if isinstance(error, ServerExited):
        return error.exit_code or FAILED
    if isinstance(error, EngineFailure):
        return _find(error.cause, _CODES_OF_ENGINES) or ENGINE
    return _find(error, _CODES) or FAILED


def _find(error: Exception | None, codes: Sequence[tuple[type[Exception], int]]) -> int | None:
    return next((code for kind, code in codes if isinstance(error, kind)), None)
