"""Find, read and stop the model servers on the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.api.base import RamalamaBase
from ramalama.errors import engine_errors
from ramalama.planning.labels import COMPANIONS_LABEL
from ramalama.serving.cleanup import remove_files, remove_orphaned, remove_shared
from ramalama.serving.sides.find import side_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ramalama.serving.server import ModelServer
    from ramalama_engines import ContainerState


class RunningServers(RamalamaBase):
    """The methods of `Ramalama` for servers that run."""

    def attach(self, name: str) -> ModelServer:
        """Use a server that another process of this user has started; the caller must close it.

        *name* is the name of the container, or the beginning of its ID. A shared server runs at
        least until it is closed here. Any other server ends when its own process closes it.

        Raises:
            EngineFailure: no server has this name.
            OptionRefused: the server does not run, or another user has started it.
        """
        from ramalama.serving.attach import attach_by_name  # noqa: PLC0415 (rarely used)

        with engine_errors():
            server = attach_by_name(self.connect(), self.run_dir, self.models, name)
        server.keep_by(self._engines.keep)
        return server

    def servers(self) -> Sequence[ContainerState]:
        """Return all model servers on the engine, of any user, newest first."""
        from ramalama.serving.lookup import list_servers  # noqa: PLC0415 (not for a start)

        with engine_errors():
            return list_servers(self.connect())

    def find(self, name: str) -> ContainerState:
        """Return the model server with the name *name*, or whose container ID begins with it.

        Raises:
            EngineFailure: there is no such server; containers that are no model servers do not
                count.
            OptionRefused: several IDs begin with *name*.
        """
        from ramalama.serving.lookup import find_server  # noqa: PLC0415 (see above)

        with engine_errors():
            return find_server(self.connect(), name)

    def address(self, state: ContainerState) -> str | None:
        """Return the address of a server; None if it does not run or belongs to another user.

        For a server behind `ramalama serve --rag` it is the address at which that command listens.
        """
        from ramalama.serving.fronts import read_front  # noqa: PLC0415 (see above)
        from ramalama.serving.lookup import locate  # noqa: PLC0415 (see above)

        with engine_errors():
            found = locate(self.connect(), state, self.run_dir)
            if found is None:
                return None
            if (front := read_front(found.directory)) is not None:
                return front
            side = side_of(self.connect(), self.run_dir)
        return side.describe(found.endpoint, found.directory)

    def stop(self, name: str) -> None:
        """Stop a model server and remove its container, even if other processes use it.

        Raises:
            EngineFailure: no server has this name.
        """
        from ramalama.serving.lookup import directory_of  # noqa: PLC0415 (see above)

        state = self.find(name)
        directory = directory_of(state, self.run_dir)
        with engine_errors():
            if state.labels.get(COMPANIONS_LABEL):
                from ramalama.serving.companions import (  # noqa: PLC0415 (rarely needed)
                    companions_of,
                )

                for each in companions_of(self.connect(), state):
                    self.connect().remove(each.id, force=True)
            self.connect().remove(state.id, force=True)
            if directory is not None:
                remove_shared(self.connect(), directory)
            else:
                remove_files(self.connect(), state, self.run_dir)

    def logs(self, name: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        """Yield the log of a server, or of a container beside it, by lines; see `Engine.logs`."""
        with engine_errors():
            yield from self._open_log(name, follow=follow, tail=tail)

    def _open_log(self, name: str, *, follow: bool, tail: int | None) -> Iterator[str]:
        from ramalama.serving.lookup import find_server  # noqa: PLC0415 (see above)

        state = find_server(self.connect(), name, companions=True)
        return self.connect().logs(state.id, follow=follow, tail=tail)

    def memory(self, state: ContainerState) -> int | None:
        """Return the bytes of memory that a server uses, with the containers beside it.

        None if it does not run, or the engine does not say.
        """
        from ramalama.serving.companions import companions_of  # noqa: PLC0415 (see above)

        engine = self.connect()
        with engine_errors():
            beside = companions_of(engine, state)
            used = [engine.memory(each.id) for each in (state, *beside)]
        counted = [each for each in used if each is not None]
        return sum(counted) if counted else None

    def remove_orphans(self) -> int:
        """Remove containers left behind by processes that have ended, and return their number."""
        return remove_orphaned(self.connect(), self.run_dir)
