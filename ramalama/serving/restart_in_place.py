"""Start the containers of a server that has died again, in place.

The container keeps its name, its labels, its socket or port and its directory. So clients find the
server again, and whatever process dies at whatever moment, the next command sees the same container
as without a restart.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.planning.labels import INSTANCE_LABEL
from ramalama.planning.plan import without_shell
from ramalama.serving.container import LIVES, ExitPoll
from ramalama.serving.health import NotReadyInTime, probe, wait_until_ready
from ramalama.serving.run_dir import ServerDir
from ramalama_chat.client.endpoint import UnixEndpoint
from ramalama_engines.errors import ContainerConflict, ContainerNotFound
from ramalama_engines.spec import ContainerStatus
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.planning.plan import LaunchPlan
    from ramalama.serving.handle import ServerHandle
    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_engines import Engine
    from ramalama_engines.spec import ContainerSpec, ContainerState

_BEFORE_SERVER = 1.0  # seconds until a server is removed whose companion is removed first


@frozen()
class ServerInPlace:
    """A server as it can be started again.

    Attributes:
        companions: what stands beside it, with the names of those that run.
        forwarded: whether the endpoint is one of this host that leads to another one.
        ready_timeout: seconds that the model may take to load; None for no limit.
    """

    container: str
    connect: Callable[[], Engine]
    handle: ServerHandle
    plan: LaunchPlan
    companions: tuple[ContainerSpec, ...]
    endpoint: Endpoint
    forwarded: bool
    ready_timeout: float | None

    @property
    def containers(self) -> tuple[str, ...]:
        """The server's container, and the names of those beside it."""
        return (self.container, *(spec.name or "" for spec in self.companions))

    def answers(self) -> bool:
        """Return whether the server answers, even if it is not ready."""
        return probe(self.endpoint, self.plan.server.health_path) is not None

    def poll(self) -> ExitPoll:
        """Return what detects the end of its containers."""
        return ExitPoll(self.connect, self.answers, *self.containers)

    def dead_container(self) -> ContainerState | None:
        """Return the container that has ended; None if all run.

        Raises:
            ContainerNotFound: the server was removed.
            EngineError: the engine does not answer.
        """
        engine = self.connect()
        first, *beside = self.containers
        state = engine.inspect(first)
        if state.status is ContainerStatus.EXITED:
            return state
        if all(_runs(engine, each) for each in beside):
            return None
        self.handle.left.wait(_BEFORE_SERVER)
        return replace(engine.inspect(first), exit_code=None)

    def published(self) -> tuple[int, ...]:
        """Return the ports that the engine has published for the server.

        Raises:
            EngineError: the engine does not answer, or the server was removed.
        """
        if self.plan.published_port is None:
            return ()
        return tuple(port.host_port for port in self.connect().inspect(self.container).ports)

    def start(self, ports: tuple[int, ...]) -> None:
        """Start the containers that do not run, and check that the engine has published *ports*.

        Raises:
            ContainerConflict: it has published others, as Docker does if it may choose.
            EngineError: a container cannot be started.
        """
        engine = self.connect()
        dead = engine.inspect(self.container).status not in LIVES  # unless another process was here
        if self.companions:
            from ramalama.serving.companions import (  # noqa: PLC0415 (rarely needed)
                remove_companions,
            )

            remove_companions(engine, self._directory.is_at)
        if dead or self.companions:
            self._remove_socket()
        if dead:
            engine.start(self.container)
        if ports and self.published() != ports:
            msg = f"{engine.kind} has published another port than {ports[0]}"
            raise ContainerConflict(msg, hint="choose one with port=", engine=engine.kind)
        for spec in self.companions:
            joined = replace(spec, network=f"container:{self.container}")
            engine.start(engine.create(joined))

    def becomes_ready(self) -> bool:
        """Wait until the server answers; False if it ends, or is stopped as it is too slow.

        Raises:
            StartCancelled: the server was left.
            EngineError: the engine could not stop it.
        """
        path, left = self.plan.server.health_path, self.handle.left
        try:
            return wait_until_ready(
                self.endpoint, path, self.poll(), timeout=self.ready_timeout, cancel=left
            )
        except NotReadyInTime:
            self.handle.unless_left(lambda: self.connect().stop(self.container, timeout=0))
            return False

    @property
    def _directory(self) -> ServerDir:
        return ServerDir(Path(self.plan.container.labels[INSTANCE_LABEL]))

    def _remove_socket(self) -> None:
        """Remove the old socket unless the container does it itself, for which it needs a shell."""
        mine = isinstance(self.endpoint, UnixEndpoint) and not self.forwarded
        if mine and without_shell(self.plan.container) is None:
            self._directory.socket.unlink(missing_ok=True)


def _runs(engine: Engine, container: str) -> bool:
    try:
        return engine.inspect(container).status in LIVES
    except ContainerNotFound:
        return False
