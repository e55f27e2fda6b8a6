"""Create, start and remove the container and the directory of one server."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from ramalama.system.uninterrupted import run_uninterrupted
from ramalama_engines.errors import ContainerNotFound, ContainerStartError, ProgramNotFound

if TYPE_CHECKING:
    from ramalama.serving.run_dir import ServerDir
    from ramalama.serving.sides.side import EngineSide
    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import ContainerSpec


class ServerContainer:
    """The container and the directory of one server; `remove` removes both, at any time.

    *side* is the host of *engine*.

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
    ) -> None:
        self._engine = engine
        self._side = side
        self._directory = directory
        self._container = container
        self._opener = os.getpid()
        self._spec: ContainerSpec | None = None

    @property
    def container(self) -> str | None:
        """The ID of the container; None before it is created."""
        return self._container

    def prepare(self, *, api_key: str | None) -> None:
        """Create the directory, and write the API key that the server will require."""
        self._side.make_directory(self._directory, api_key=api_key)

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
        run_uninterrupted(self._remove_container)
        self.create(spec.without_optional_limits())
        return run_uninterrupted(self._start)

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
        if self._container is not None:
            with suppress(ContainerNotFound):
                self._engine.remove(self._container, force=True)
            self._container = None
