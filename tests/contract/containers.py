"""The containers that one test of the contract makes, and that are gone after it."""

from __future__ import annotations

import os
import signal
import threading
import uuid
import warnings
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import pytest

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.spec import ContainerSpec, ContainerState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ramalama_engines.engine import Engine

T = TypeVar("T")

LABEL = "test.ramalama-engines"
SLEEP = ("sleep", "600")
PATIENCE = 60.0  # seconds, for what takes a fraction of one


@runtime_checkable
class Closeable(Protocol):
    """Lines of a log that may be closed."""

    def close(self) -> None: ...


def close(lines: Iterator[str]) -> None:
    assert isinstance(lines, Closeable)
    lines.close()


def background(call: Callable[[], T]) -> Future[T]:
    """Make *call* in a thread that nobody waits for, should it never end."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as exc:  # noqa: BLE001 (it belongs to who asks for the result)
            future.set_exception(exc)

    threading.Thread(target=run, daemon=True).start()
    return future


def in_forked_process(call: Callable[[], object]) -> int:
    """Make *call* in a process that is forked from this one, and return its exit code.

    It is negative after a signal, with which the process ends if *call* hangs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of other threads
        pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    signal.alarm(int(PATIENCE))
    code = 1
    try:
        call()
        code = 0
    finally:
        os._exit(code)


class Containers:
    """Makes containers that bear the test's own label."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.label = {LABEL: uuid.uuid4().hex}

    def create(self, spec: ContainerSpec) -> str:
        return self.engine.create(replace(spec, labels={**spec.labels, **self.label}))

    def start(self, spec: ContainerSpec) -> str:
        container = self.create(spec)
        self.engine.start(container)
        return container

    def run(self, spec: ContainerSpec) -> tuple[int, list[str]]:
        """Run its program to the end; return the exit code and all that it wrote."""
        container = self.start(spec)
        code = self.engine.wait(container, timeout=PATIENCE)
        return code, list(self.engine.logs(container))

    def output(self, spec: ContainerSpec) -> list[str]:
        """Return what a program that succeeds wrote."""
        code, lines = self.run(spec)
        assert code == 0, lines
        return lines

    def all(self) -> dict[str, ContainerState]:
        return {state.id: state for state in self.engine.list(self.label)}

    def clear(self) -> None:
        with suppress(EngineUnavailable):  # the test has closed it
            states = sorted(self.all().values(), key=lambda state: str(state.created))
            for state in reversed(states):  # one that has joined another's network goes first
                self.engine.remove(state.id, force=True)


class Contract:
    """What the contract's classes of tests have in common."""

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        """The engine under test."""
        raise NotImplementedError

    @pytest.fixture
    def image(self) -> str:
        """An image in its storage, with busybox in it."""
        raise NotImplementedError

    @pytest.fixture
    def containers(self, engine: Engine) -> Iterator[Containers]:
        containers = Containers(engine)
        yield containers
        containers.clear()

    @pytest.fixture
    def volumes(self) -> Callable[[], set[str]]:
        """Return the names of the volumes in its storage."""
        raise NotImplementedError

    @pytest.fixture
    def sleeper(self, image: str) -> ContainerSpec:
        """A container that runs until it is stopped."""
        return ContainerSpec(image=image, command=SLEEP)
