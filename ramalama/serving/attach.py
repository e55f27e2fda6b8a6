"""Attach to a running server: become one of its users, and wait until it answers."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from ramalama.errors import OptionRefused, RamalamaError
from ramalama.events import ServerReady
from ramalama.models.reference.reference import ModelRef
from ramalama.models.store.stored_model import StoredModel
from ramalama.planning.labels import ALIAS_LABEL, MODEL_LABEL, RUNTIME_LABEL
from ramalama.planning.plan import LaunchPlan
from ramalama.runtimes import find_runtime
from ramalama.runtimes.base import ServerSpec
from ramalama.serving.container import ExitPoll, ServerContainer
from ramalama.serving.exit_report import ExitReporter
from ramalama.serving.handle import ServerHandle
from ramalama.serving.health import probe
from ramalama.serving.lookup import find_server, locate
from ramalama.serving.server import ModelServer
from ramalama.serving.sides.find import side_of
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines.spec import ContainerSpec
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ramalama.models.library import Models
    from ramalama.serving.lookup import RunningServer
    from ramalama.serving.request import StartRequest
    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import ContainerState

_HEALTH = "/health"  # of every runtime


@frozen()
class Attachment:
    """A running server, and access to its engine, which need not be open.

    Attributes:
        found: the server.
        engine: the address of the engine.
        connect: opens and returns the engine; called only when it is needed.
    """

    found: RunningServer
    engine: str
    connect: Callable[[], Engine]

    def join(self, plan: LaunchPlan, request: StartRequest, undo: ExitStack) -> ModelServer | None:
        """Become a user of the server and wait until it answers; None if it does not.

        *plan* is the plan of this server. What leaves the server again is added to *undo*, which
        the caller must close, even after an error.

        Raises:
            StartCancelled: the start was cancelled while the server loaded its model.
        """
        handle = self.hold(keep_alive=request.keep_alive or 0.0)
        if handle is None:
            return None
        with ExitStack() as undo_join:
            undo_join.callback(handle.leave_quietly)
            server = self.server(plan, handle, request.options.runtime)
            if not server.answers(cancel=request.cancel):
                return None
            undo.enter_context(server)
            undo_join.pop_all()
        request.tell(ServerReady(self.found.container))
        if request.restart is not None:
            reporter = self._exit_reporter(plan, request.options.runtime)
            server.supervise(request.restart, request, reporter)
        return server

    def hold(self, *, keep_alive: float) -> ServerHandle | None:
        """Become a user of the server, if it is shared; None if it is not."""
        directory, container = self.found.directory, self.found.container

        def remove() -> None:
            engine = self.connect()
            side = side_of(engine, directory.path.parent)
            has_companions = bool(self.found.companions)
            ServerContainer(
                engine, directory, side, container=container, has_companions=has_companions
            ).remove()

        return ServerHandle.join(self.engine, directory, remove, keep_alive=keep_alive)

    def server(
        self, plan: LaunchPlan, handle: ServerHandle | None, runtime: RuntimeName
    ) -> ModelServer:
        """Return the `ModelServer` for the caller."""
        container, endpoint = self.found.container, self.found.endpoint
        health = plan.server.health_path
        server = ModelServer(
            plan,
            endpoint,
            handle=handle,
            watch=ExitPoll(
                self.connect,
                lambda: probe(endpoint, health) is not None,
                *(container, *self.found.companions),
            ),
            exit_reporter=self._exit_reporter(plan, runtime),
        )
        server.forwarded_to = self.found.forwarded_to
        return server

    def _exit_reporter(self, plan: LaunchPlan, runtime: RuntimeName) -> ExitReporter:
        return ExitReporter(
            connect=self.connect,
            container=self.found.container,
            runtime=find_runtime(runtime),
            model=str(plan.model.reference),
            companions=self.found.companions,
        )


def attach_by_name(engine: Engine, run_dir: Path, models: Models, name: str) -> ModelServer:
    """Become a user of the server *name*, which another process of this user has started.

    Raises:
        EngineFailure: no server has this name.
        OptionRefused: the server does not run, or another user has started it.
    """
    state = find_server(engine, name)
    located = locate(engine, state, run_dir)
    found = located and located.seen_from(side_of(engine, run_dir))
    runtime = next((each for each in RuntimeName if each == state.labels.get(RUNTIME_LABEL)), None)
    if found is None or runtime is None:
        msg = f"the model server {name!r} does not run, or was not started by this user"
        raise OptionRefused(msg)
    attachment = Attachment(found=found, engine=engine.url, connect=lambda: engine)
    handle = attachment.hold(keep_alive=0.0)
    return attachment.server(_plan(state, found, models), handle, runtime)


def _plan(state: ContainerState, found: RunningServer, models: Models) -> LaunchPlan:
    """Return the plan of a server of another process, as far as its labels contain it."""
    text = state.labels.get(MODEL_LABEL, "")
    try:
        reference = ModelRef.parse(text)
    except RamalamaError as exc:
        msg = f"the model server {state.name!r} has no label that names its model"
        raise OptionRefused(msg) from exc
    model = None
    with suppress(RamalamaError):  # the files were removed meanwhile; the server still has them
        model = models.find(reference)
    return LaunchPlan(
        model=model or StoredModel(reference=reference, weights=()),
        alias=state.labels.get(ALIAS_LABEL, ""),
        server=ServerSpec(entrypoint=None, argv=(), health_path=_health(found)),
        container=ContainerSpec(image=state.image, name=state.name, labels=state.labels),
        endpoint=found.endpoint,
    )


def _health(found: RunningServer) -> str:
    if not found.companions:
        return _HEALTH
    from ramalama.planning.stack import STACK_HEALTH  # noqa: PLC0415 (rarely needed)

    return STACK_HEALTH
