"""Errors as a program sees them: one root, one place to import them from, and whole after a trip.

What the command makes of them is tested in `cli/test_exit_codes.py`.
"""

from __future__ import annotations

import copy
import inspect
import pickle
import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, cast

import httpx2
import openai
import pytest

import ramalama
import ramalama.errors
import ramalama_accel
import ramalama_chat
import ramalama_chat.errors
import ramalama_engines
import ramalama_engines.errors
import ramalama_values.errors
from ramalama import ContainerNotFound, EngineFailure, RamalamaError, ServerExited, ServerNotReady

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

HOMES = (ramalama.errors, ramalama_chat.errors, ramalama_engines.errors, ramalama_values.errors)
PACKAGES = (ramalama, ramalama_accel, ramalama_chat, ramalama_engines)
VALUES = {
    "message": "it broke",
    "hint": "mend it",
    "alternatives": ("one", "other"),
    "cause": ContainerNotFound("gone", hint="look elsewhere", engine="podman"),
    "log_tail": ("first", "last"),
    "engine": "docker",
}


def subclasses(kind: type[RamalamaError]) -> Iterator[type[RamalamaError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from subclasses(each)


def all_errors() -> list[type[RamalamaError]]:
    """Return every class of error in all modules of the wheel, public or not."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    found = {each for each in subclasses(RamalamaError) if each.__module__.startswith("ramalama")}
    return sorted(found, key=lambda each: (each.__module__, each.__name__))


def made(kind: type[RamalamaError]) -> RamalamaError:
    """Make an error with a value for everything that its constructor takes."""
    parameters = inspect.signature(kind).parameters
    if set(parameters) == {"args", "kwargs"}:
        parameters = inspect.signature(RamalamaError).parameters
    make = cast("Callable[..., RamalamaError]", kind)
    given = {name: VALUES.get(name, 7) for name in parameters}
    message = {name: given.pop(name) for name in ("message", "cause") if name in given}
    return make(*message.values(), **given)


def attributes(error: BaseException) -> dict[str, object]:
    """Return what an error carries; another error in it by its own attributes."""
    values: dict[str, object] = {"args": error.args, "text": str(error), **vars(error)}
    return {
        name: (type(value), attributes(value)) if isinstance(value, BaseException) else value
        for name, value in values.items()
    }


def sent(error: RamalamaError, protocol: int) -> object:
    return pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 (our own)


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_an_error_that_was_pickled_or_copied_has_its_class_and_all_its_values(
    kind: type[RamalamaError],
) -> None:
    error = made(kind)
    error.add_note("told later")

    others = [sent(error, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for other in (*others, copy.copy(error), copy.deepcopy(error)):
        assert type(other) is kind
        assert isinstance(other, RamalamaError)
        assert attributes(other) == attributes(error)


def test_an_error_of_the_callers_own_can_be_pickled_too() -> None:
    error = Own("it broke", place=7)

    other = sent(error, pickle.DEFAULT_PROTOCOL)

    assert isinstance(other, Own)
    assert (str(other), other.place) == ("it broke", 7)


class Own(ServerExited):
    def __init__(self, message: str, *, place: int) -> None:
        super().__init__(message, exit_code=1)
        self.place = place


def public_errors(module: ModuleType) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }


@pytest.mark.parametrize("home", HOMES, ids=lambda home: home.__name__)
def test_every_error_can_be_had_from_the_package_and_has_the_one_root(home: ModuleType) -> None:
    names = public_errors(home)

    assert names - set(ramalama.__all__) == set()
    for name in names:
        assert issubclass(getattr(ramalama, name), RamalamaError)
        assert getattr(ramalama, name) is getattr(home, name)


def test_a_server_that_is_not_ready_in_time_is_a_timeout_too() -> None:
    error = ServerNotReady("not ready", hint="wait longer", log_tail=("loading",))

    assert isinstance(error, TimeoutError)
    assert (str(error), error.hint, error.log_tail) == (
        "not ready; wait longer",
        "wait longer",
        ("loading",),
    )


def test_the_failure_of_an_engine_can_be_caught_by_what_the_engine_said() -> None:
    failure = EngineFailure(ContainerNotFound("gone"))

    assert isinstance(failure.cause, ramalama.EngineError)
    assert isinstance(failure.cause, RamalamaError)


def test_the_errors_of_the_clients_are_mapped_by_one_context_manager() -> None:
    request = httpx2.Request("POST", "http://localhost/v1/chat/completions")
    with pytest.raises(ramalama.ServerGone), ramalama.chat_errors():
        raise openai.APIConnectionError(request=request)
