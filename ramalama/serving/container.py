"""Create, start, watch and remove the container and the directory of one server."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, Self

from ramalama.system.uninterrupted import run_uninterrupted
from ramalama_engines.errors import (
    ContainerNotFound,
    ContainerStartError,
    EngineError,
    EngineUnavailable,
    ProgramNotFound,
)
from ramalama_engines.spec import ContainerStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ramalama.serving.run_dir import ServerDir
    from ramalama.serving.sides.side import EngineSide
    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import ContainerSpec


class ServerContainer:
    """The container and the directory of one server; `remove` removes both, at any time.

    *side* is the host of *engine*. *has_companions* says that there are containers beside that
    *container*, which are removed with it.

    The caller must call `remove` in the end, even after an error, or use `with`. Signals do not
    interrupt a step, so no container is created without its ID being known here. In a process that
    was forked meanwhile, `remove` does nothing.
    """

    def __init__(
        self,
        engine: Engine,
        directory: ServerDir,
        side: EngineSide,
        *,
        container: str | None = None,
        has_companions: bool = False,
    ) -> None:
        self._engine = engine
        self._side = side
        self._directory = directory
        self._container = container
        self._has_companions = has_companions
        self._opener = os.getpid()
        self._spec: ContainerSpec | None = None

    @property
    def container(self) -> str | None:
        """The ID of the container; None before it is created."""
        return self._container

    def prepare(self, files: Mapping[str, str]) -> None:
        """Create the directory with *files*: names, and contents."""
        self._side.make_directory(self._directory, files)

    def create(self, spec: ContainerSpec) -> str:
        """Create the container and return its ID.

        Raises:
            EngineError: the container was not created.
        """

        def create_and_record() -> str:
            self._container = self._engine.create(spec)
            self._spec = spec
            return self._container

        return run_uninterrupted(create_and_record)

    def start(self) -> str:
        """Start the container and return its ID.

        If the engine cannot limit memory, and says so only now, it is another container without the
        optional limits.

        Raises:
            EngineError: the container did not start; it is not removed.
        """
        spec = self._spec
        try:
            return run_uninterrupted(self._start)
        except ProgramNotFound:
            raise
        except ContainerStartError:
            if spec is None or not spec.optional_limits or self._engine.info.limits_memory:
                raise
        self.remove_container()
        self.create(spec.without_optional_limits())
        return run_uninterrupted(self._start)

    def create_companion(self, spec: ContainerSpec) -> str:
        """Create a container that joins the network of this one, which runs; return its ID.

        Raises:
            EngineError: the container was not created.
        """
        joined = replace(spec, network=f"container:{self._container}")

        def create_and_record() -> str:
            self._has_companions = True
            return self._engine.create(joined)

        return run_uninterrupted(create_and_record)

    def start_companion(self, container: str) -> None:
        """Start a container that `create_companion` has created.

        Raises:
            EngineError: the container did not start; it is not removed.
        """
        run_uninterrupted(lambda: self._engine.start(container))

    def remove_container(self) -> None:
        """Remove the container, and keep the directory for another one."""
        run_uninterrupted(self._remove_container)

    def remove(self) -> None:
        """Remove the container and the directory; no error if they do not exist any more.

        Raises:
            EngineError: the engine does not answer, or cannot remove the container.
        """
        if os.getpid() == self._opener:
            run_uninterrupted(self._remove)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def _start(self) -> str:
        container = self._container
        if container is None:
            msg = "there is no container to start"
            raise ContainerNotFound(msg, engine=self._engine.kind)
        self._engine.start(container)
        return container

    def _remove(self) -> None:
        try:
            self._remove_container()
        finally:
            self._side.remove_directory(self._directory)

    def _remove_container(self) -> None:
        if self._has_companions:
            from ramalama.serving.companions import (  # noqa: PLC0415 (rarely needed)
                remove_companions,
            )

            remove_companions(self._engine, self._directory.is_at)
        if self._container is not None:
            with suppress(ContainerNotFound):
                self._engine.remove(self._container, force=True)
            self._container = None


_CHECK_INTERVAL = 0.25  # seconds
LIVES = (ContainerStatus.RUNNING, ContainerStatus.PAUSED)


class Watch(Protocol):
    """Detects the end of a server's containers."""

    @property
    def ended(self) -> bool:
        """Whether one has ended, and does not run again."""
        ...

    def wait(self, seconds: float) -> bool:
        """Sleep for *seconds* or until one has ended, and return whether it has."""
        ...


class ExitWatch:
    """Detects the end of a container at once, with a thread that waits for it.

    With several containers, the end of the first one counts; each has a thread. If another program
    starts a container again, as `podman restart` does, it has not ended. In a process that was
    forked meanwhile, which has none of the threads, the engine is asked.
    """

    def __init__(self, engine: Engine, *containers: str) -> None:
        self._engine = engine
        self._containers = containers
        self._opener = os.getpid()
        self._poll = ExitPoll(lambda: engine, lambda: False, *containers)
        self._begin()

    @property
    def ended(self) -> bool:
        """Whether a container has ended or the engine does not answer."""
        if self._opener != os.getpid():
            return self._poll.ended
        if not self._ended.is_set():
            return False
        if self._poll.ended:
            return True
        self._begin()
        return False

    def wait(self, seconds: float) -> bool:
        """Sleep for *seconds* or until the container ends, and return whether it has ended."""
        if self._opener != os.getpid():
            return self._poll.wait(seconds)
        return self._ended.wait(seconds) and self.ended

    def join(self, seconds: float) -> None:
        """Wait up to *seconds* for the end of each thread, which ends with the container."""
        for thread in self._threads:
            thread.join(seconds)

    def _begin(self) -> None:
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._watch, args=(each, self._ended), name="ramalama-watch", daemon=True
            )
            for each in self._containers
        ]
        for thread in self._threads:
            thread.start()

    def _watch(self, container: str, ended: threading.Event) -> None:
        try:
            while self._broke_off(container):
                pass
        finally:
            self._poll.note_end()
            ended.set()

    def _broke_off(self, container: str) -> bool:
        """Wait for the end; return whether only the connection to the engine has ended."""
        try:
            self._engine.wait(container)
        except EngineUnavailable:
            return self._still_runs(container)
        except EngineError:
            pass  # the container was removed; ExitReporter finds out
        return False

    def _still_runs(self, container: str) -> bool:
        try:
            return self._engine.inspect(container).status in LIVES
        except EngineError:  # the engine has stopped, or is not reached any more
            return False


class ExitPoll:
    """Detects the end of a container by asking the engine, without a thread.

    For a container that may run longer than this process uses it: a wait at the engine could not be
    cancelled. *connect* returns the engine, which is opened only when it is asked. *answers*
    returns whether the server answers; it is called if the engine does not. With several
    containers, the end of the first one counts. A container that runs again has not ended.
    """

    def __init__(
        self, connect: Callable[[], Engine], answers: Callable[[], bool], *containers: str
    ) -> None:
        self._connect = connect
        self._containers = containers
        self._answers = answers
        self._ended = False
        self._checked_at = float("-inf")

    @property
    def ended(self) -> bool:
        """Whether the container has ended, or neither its engine nor its server answers."""
        if time.monotonic() - self._checked_at >= _CHECK_INTERVAL:
            self._ended = self._has_ended()
            self._checked_at = time.monotonic()
        return self._ended

    def note_end(self) -> None:
        """Note that the container has just ended, so that the engine need not be asked now."""
        self._ended, self._checked_at = True, time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Sleep for *seconds* or until the container ends, and return whether it has ended."""
        deadline = time.monotonic() + seconds
        while not self.ended and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _CHECK_INTERVAL))
        return self.ended

    def _has_ended(self) -> bool:
        try:
            engine = self._connect()
            return any(engine.inspect(each).status not in LIVES for each in self._containers)
        except EngineUnavailable:
            return not self._answers()
        except EngineError:
            return True
