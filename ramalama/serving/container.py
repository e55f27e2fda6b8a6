"""One server's container and directory, from nothing to nothing."""

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
    """What a start leaves on the machine; `remove` takes all of it away, at any moment.

    Whoever makes one calls `remove` in the end, whatever happened between, or leaves it to `with`.
    Each step is shielded from signals, so that there is never a container of which we do not know.
    """

    def __init__(
        self, engine: Engine, directory: ServerDir, *, container: str | None = None
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._container = container

    @property
    def container(self) -> str | None:
        """The container's ID, once it is created."""
        return self._container

    def prepare(self, *, api_key: str | None) -> None:
        """Make the directory, with the key that the server will ask for."""
        self._directory.make()
        if api_key is not None:
            self._directory.write_api_key(api_key)

    def create(self, spec: ContainerSpec) -> str:
        """Create the container and return its ID.

        Raises:
            EngineError: nothing was created.
        """

        def create_and_remember() -> str:
            self._container = self._engine.create(spec)
            return self._container

        return run_uninterrupted(create_and_remember)

    def start(self) -> None:
        """Start the container.

        Raises:
            EngineError: it does not run; it is still there to look at.
        """
        container = self._container
        if container is not None:
            run_uninterrupted(lambda: self._engine.start(container))

    def remove(self) -> None:
        """Remove the container and the directory; what is gone already is no error.

        Raises:
            EngineError: the engine does not answer, or refuses to remove the container.
        """
        run_uninterrupted(self._remove)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def _remove(self) -> None:
        try:
            if self._container is not None:
                with suppress(ContainerNotFound):
                    self._engine.remove(self._container, force=True)
                self._container = None
        finally:
            self._directory.remove()
