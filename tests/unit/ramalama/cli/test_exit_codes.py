"""What a script learns from how we end."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

import ramalama.errors
import ramalama_chat.errors
import ramalama_engines.errors
import ramalama_values.errors
from ramalama.cli.exit_codes import exit_code
from ramalama.errors import (
    AccessDenied,
    ConfigError,
    DocumentNotFound,
    EmbeddingFailed,
    EngineFailure,
    IndexInvalid,
    IndexNotFound,
    IndexUnwritable,
    InvalidReference,
    ModelError,
    ModelNotFound,
    ModelPullError,
    ModelPushError,
    ModelTooLarge,
    ModelUnreadable,
    ModelUnsupported,
    NothingToIndex,
    OptionRefused,
    RagError,
    ReadingFailed,
    ServerError,
    ServerExited,
    ServerNotReady,
    StartCancelled,
    StoreError,
    UnknownModel,
    WrongEndianness,
)
from ramalama_chat.errors import (
    AnswerInvalid,
    AnswerTimedOut,
    ChatError,
    ContextExceeded,
    InputRefused,
    KeepAliveExpired,
    NoAnswer,
    PromptTooLarge,
    RequestFailed,
    ServerGone,
    ServerSilent,
    SessionBusy,
)
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
    RemoteFileError,
    UnknownRuntime,
    UnsupportedOption,
)
from ramalama_values.errors import RamalamaError

if TYPE_CHECKING:
    from types import ModuleType

CODES: dict[type[RamalamaError], int] = {
    RamalamaError: 1,
    ConfigError: 22,
    InvalidReference: 22,
    OptionRefused: 22,
    ModelError: 1,
    ModelNotFound: 2,
    ModelUnreadable: 5,
    ModelUnsupported: 22,
    WrongEndianness: 1,
    UnknownModel: 22,
    ModelPullError: 22,
    AccessDenied: 22,
    ModelPushError: 22,
    ModelTooLarge: 22,
    StoreError: 5,
    RagError: 1,
    DocumentNotFound: 2,
    NothingToIndex: 22,
    IndexNotFound: 2,
    IndexInvalid: 22,
    IndexUnwritable: 5,
    EmbeddingFailed: 1,
    ReadingFailed: 1,
    ServerError: 1,
    ServerNotReady: 110,
    StartCancelled: 1,
    ChatError: 1,
    ServerGone: 1,
    ServerSilent: 1,
    RequestFailed: 1,
    ContextExceeded: 1,
    PromptTooLarge: 1,
    InputRefused: 22,
    KeepAliveExpired: 124,
    NoAnswer: 1,
    AnswerInvalid: 1,
    AnswerTimedOut: 1,
    SessionBusy: 1,
}
CODES_OF_ENGINES: dict[type[EngineError], int] = {
    EngineError: 125,
    EngineUnavailable: 125,
    RemoteFileError: 125,
    ImageNotFound: 125,
    ImagePullError: 125,
    ImageBuildError: 125,
    ContainerNotFound: 125,
    ContainerConflict: 125,
    ContainerStartError: 125,
    ProgramNotFound: 22,
    DeviceNotFound: 22,
    UnsupportedOption: 38,
    UnknownRuntime: 22,
}


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_each_error_has_its_code(kind: type[RamalamaError], code: int) -> None:
    assert exit_code(kind("what happened")) == code


@pytest.mark.parametrize(("kind", "code"), CODES_OF_ENGINES.items())
def test_each_failure_of_an_engine_has_its_code(kind: type[EngineError], code: int) -> None:
    assert exit_code(EngineFailure(kind("what happened"))) == code


@pytest.mark.parametrize(("code", "expected"), [(1, 1), (137, 137), (139, 139), (0, 1), (None, 1)])
def test_a_server_passes_its_own_code_on_unless_that_would_mean_success(
    code: int | None, expected: int
) -> None:
    assert exit_code(ServerExited("it ended", exit_code=code)) == expected


def classes(module: ModuleType) -> set[type]:
    return {
        value
        for _, value in inspect.getmembers(module, inspect.isclass)
        if value.__module__ == module.__name__ and issubclass(value, Exception)
    }


def test_no_error_was_forgotten() -> None:
    ours = set[type]()
    for module in (ramalama.errors, ramalama_chat.errors, ramalama_values.errors):
        ours |= classes(module)

    assert ours == CODES.keys() | {EngineFailure, ServerExited}
    assert classes(ramalama_engines.errors) == CODES_OF_ENGINES.keys()


@pytest.mark.parametrize(
    "module",
    [ramalama.errors, ramalama_chat.errors, ramalama_engines.errors],
    ids=["ramalama", "chat", "engines"],
)
def test_the_tree_of_errors_in_the_documentation_is_the_real_one(module: ModuleType) -> None:
    lines = (module.__doc__ or "").splitlines()
    drawn = {line.split()[1] for line in lines if line.lstrip().startswith(("* ", "x ", "+ "))}

    assert drawn - {RamalamaError.__name__} == {kind.__name__ for kind in classes(module)}
