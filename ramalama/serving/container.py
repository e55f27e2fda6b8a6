"""Create, start and remove the container and the directory of one server."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Self

from ramalama.system.uninterrupted import run_uninterrupted
from ramalama_engines.errors import ContainerNotFound

if TYPE_CHECKING:
    from ramalama.serving.run_dir import ServerDir
    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import ContainerSpec


class ServerContainer:
    """The container and the directory of one server; `remove` removes both, at any time.

    The caller must call `remove` in the end, even after an error, or use `with`. Signals do not
    interrupt a step, so no container is created without its ID being known here.
    """

    def __init__(
        self, engine: Engine, directory: ServerDir, *, container: str | None = None
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._container = container

    @property
    def container(self) -> str | None:
        """The ID of the container; None before it is created."""
        return self._container

    def prepare(self, *, api_key: str | None) -> None:
        """Create the directory, and write the API key that the server will require."""
        self._directory.make()
        if api_key is not None:
            self._directory.write_api_key(api_key)

    def create(self, spec: ContainerSpec) -> str:
        """Create the container and return its ID.

        Raises:
            EngineError: the container was not created.
        """

        def create_and_record() -> str:
            self._container = self._engine.create(spec)
            return self._container

        return run_uninterrupted(create_and_record)

    def create_again(self, spec: ContainerSpec) -> str:
        """Create another container in place of the present one, and return its ID.

        Raises:
            EngineError: the container was not removed, or the other one not created.
        """
        run_uninterrupted(self._remove_container)
        return self.create(spec)

    def start(self) -> None:
        """Start the container.

        Raises:
            EngineError: the container did not start; it is not removed.
        """
        container = self._container
        if container is not None:
            run_uninterrupted(lambda: self._engine.start(container))

    def remove(self) -> None:
        """Remove the container and the directory; no error if they do not exist any more.

        Raises:
            EngineError: the engine does not answer, or cannot remove the container.
        """
        run_uninterrupted(self._remove)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def _remove(self) -> None:
        try:
            self._remove_container()
        finally:
            self._directory.remove()

    def _remove_container(self) -> None:
        if self._container is not None:
            with suppress(ContainerNotFound):
                self._engine.remove(self._container, force=True)
            self._container = None
