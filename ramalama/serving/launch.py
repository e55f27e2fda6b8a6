"""From a plan to a server that answers, with everything undone if that fails."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama.errors import ServerNotReady
from ramalama.events import ContainerCreated, ContainerStarted, Notice, ServerReady, ignore
from ramalama.planning.digest import server_digest
from ramalama.planning.inputs import LaunchEnvironment
from ramalama.planning.plan import make_plan, with_digest
from ramalama.serving.cleanup import remove_orphaned
from ramalama.serving.container import ServerContainer
from ramalama.serving.exit_report import LOG_TAIL, ExitReporter
from ramalama.serving.exit_watch import ExitPoll, ExitWatch
from ramalama.serving.handle import ServerHandle
from ramalama.serving.health import probe
from ramalama.serving.run_dir import new_server_dir
from ramalama.serving.server import ModelServer
from ramalama.system.cores import default_threads
from ramalama.system.ports import free_port
from ramalama.system.process_identity import ProcessIdentity
from ramalama_chat.client.endpoint import TcpEndpoint
from ramalama_engines import ContainerConflict, ContainerStartError, EngineError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama.events import EventHook
    from ramalama.planning.inputs import PlanInputs
    from ramalama.planning.plan import LaunchPlan
    from ramalama.runtimes.base import Runtime, ServerSpec
    from ramalama.serving.lookup import RunningServer
    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_engines import Engine

_log = logging.getLogger("ramalama.launch")

_NAME_BYTES = 5
_API_KEY_BYTES = 32
_FALLBACK = (
    "the server computes on the CPU although this host has a GPU; the answer will be slow; "
    "run `ramalama doctor` to find out why"
)


class Launcher:
    """Carries one plan out on one engine.

    *cancel*, once set by another thread, ends what is under way with `StartCancelled`.
    """

    def __init__(
        self,
        engine: Engine,
        runtime: Runtime,
        run_dir: Path,
        *,
        on_event: EventHook = ignore,
        cancel: threading.Event | None = None,
    ) -> None:
        self.engine = engine
        self._runtime = runtime
        self.run_dir = run_dir
        self._on_event = on_event
        self._cancel = cancel
        self._directory = new_server_dir(run_dir, ProcessIdentity.of_this_process())
        # Drawn once, so that all plans of one launcher are of one server.
        self._here = LaunchEnvironment(
            engine=engine.kind,
            rootless=engine.rootless,
            uid=os.getuid(),
            gid=os.getgid(),
            threads=default_threads(),
            instance=self._directory,
            identity=ProcessIdentity.of_this_process(),
            container_name=f"ramalama-{os.urandom(_NAME_BYTES).hex()}",
            api_key=os.urandom(_API_KEY_BYTES).hex(),
        )

    def digest(self, inputs: PlanInputs) -> str:
        """Return the digest by which a server of these *inputs* is found again."""
        return server_digest(inputs, self._here)

    def plan(self, inputs: PlanInputs, *, digest: str) -> LaunchPlan:
        """Make the plan of a new server, which bears *digest*; nothing is written."""
        options = inputs.options
        if options.network == "host" and self._here.host_port is None:
            # As late as can be: another program may take the port meanwhile.
            self._here = replace(self._here, host_port=free_port(options.port))
        return with_digest(make_plan(inputs, self._here), digest)

    def plan_found(self, inputs: PlanInputs, found: RunningServer, *, digest: str) -> LaunchPlan:
        """Make the plan of a server that was *found* by its digest."""
        here = replace(self._here, instance=found.directory)
        plan = with_digest(make_plan(inputs, here), digest)
        named = replace(plan.container, name=found.name)
        return replace(plan, container=named, endpoint=found.endpoint)

    def launch(
        self,
        plan: LaunchPlan,
        undo: ExitStack,
        *,
        ready_timeout: float | None,
        keep_alive: float | None = None,
    ) -> ModelServer:
        """Create, start and wait; see `Ramalama.start`.

        With a *keep_alive* others may use the server from the moment that it is there.
        Whoever calls closes *undo*, whatever happens; everything is in it before it is there. A
        server that is merely returned would be lost on its way if Ctrl-C came just then.

        Raises:
            EngineError: the engine refuses, or is gone.
            ServerError: the server does not come up.
        """
        instance = ServerContainer(self.engine, self._directory)
        handle = ServerHandle(self.engine, self._directory, instance)
        undo.callback(_leave_quietly, handle)
        self._prepare(instance, plan)
        if keep_alive is not None:
            handle.share(keep_alive=keep_alive)
        container = self._create(instance, plan)
        self._on_event(ContainerCreated(container, plan.container.name or ""))
        self._start(instance, plan)
        self._on_event(ContainerStarted(container))
        server = self._server(handle, container, plan, shared=keep_alive is not None)
        with self._sweeping():
            self._wait(server, container, ready_timeout)
        handle.settled = True
        self._on_event(ServerReady(container))
        self._look_for_fallback(container, plan.server)
        return undo.enter_context(server)

    def attach(
        self, plan: LaunchPlan, found: RunningServer, undo: ExitStack, *, keep_alive: float
    ) -> ModelServer | None:
        """Become one more user of a server that is there; None if it does not answer.

        Raises:
            StartCancelled: while it loaded its model.
        """
        instance = ServerContainer(self.engine, found.directory, container=found.container)
        handle = ServerHandle.join(self.engine, found.directory, instance, keep_alive=keep_alive)
        if handle is None:
            return None
        with ExitStack() as undo_join:
            undo_join.callback(_leave_quietly, handle)
            server = self._server(handle, found.container, plan, shared=True)
            if not server.answers(cancel=self._cancel):
                return None
            undo.enter_context(server)
            undo_join.pop_all()
        self._on_event(ServerReady(found.container))
        return server

    def _prepare(self, instance: ServerContainer, plan: LaunchPlan) -> None:
        key = plan.endpoint.api_key if isinstance(plan.endpoint, TcpEndpoint) else None
        instance.prepare(api_key=key)

    def _create(self, instance: ServerContainer, plan: LaunchPlan) -> str:
        try:
            return instance.create(plan.container)
        except ContainerConflict:
            # The name may be a dead owner's, whom nobody has cleaned up after yet.
            if not remove_orphaned(self.engine, self.run_dir):
                raise
            return instance.create(plan.container)

    def _start(self, instance: ServerContainer, plan: LaunchPlan) -> None:
        try:
            instance.start()
        except ContainerStartError as exc:
            msg = f"{exc} (image {plan.container.image}, runtime {self._runtime.name})"
            raise type(exc)(msg, engine=exc.engine) from exc

    def _server(
        self, handle: ServerHandle, container: str, plan: LaunchPlan, *, shared: bool
    ) -> ModelServer:
        exit_reporter = ExitReporter(
            engine=self.engine,
            container=container,
            runtime=self._runtime,
            model=str(plan.model.reference),
        )
        endpoint, path = self._endpoint(container, plan), plan.server.health_path
        watch = (
            ExitPoll(self.engine, container, lambda: probe(endpoint, path) is not None)
            if shared
            else ExitWatch(self.engine, container)
        )
        return ModelServer(plan, endpoint, handle=handle, watch=watch, exit_reporter=exit_reporter)

    def _endpoint(self, container: str, plan: LaunchPlan) -> Endpoint:
        """Fill in the port that the engine picked; a container that has died meanwhile has none."""
        endpoint = plan.endpoint
        if isinstance(endpoint, TcpEndpoint) and plan.published_port and not endpoint.port:
            for port in self.engine.inspect(container).ports:
                if port.container_port == plan.published_port:
                    return replace(endpoint, port=port.host_port)
        return endpoint

    def _wait(self, server: ModelServer, container: str, timeout: float | None) -> None:
        try:
            server.wait_until_ready(timeout=timeout, cancel=self._cancel)
        except TimeoutError as exc:
            tail = tuple(self.engine.logs(container, tail=LOG_TAIL))
            msg = f"the {self._runtime.name} server did not become ready within {timeout:g} s"
            raise ServerNotReady(msg, log_tail=tail) from exc

    def _look_for_fallback(self, container: str, server: ServerSpec) -> None:
        """Tell whoever has a GPU if the server does without; nobody else waits for the answer."""
        if not (server.wants_gpu or _log.isEnabledFor(logging.DEBUG)):
            return
        try:
            report = self._runtime.report(tuple(self.engine.logs(container)))
        except EngineError as exc:
            _log.info("could not read what the server computes with: %s", exc)
            return
        _log.debug("the server computes %s", report)
        if server.wants_gpu and report.on_cpu:
            self._on_event(Notice(_FALLBACK))

    @contextmanager
    def _sweeping(self) -> Generator[None]:
        """Clean up after dead owners while our server loads its model."""
        sweep = threading.Thread(
            target=remove_orphaned, args=(self.engine, self.run_dir), name="ramalama-sweep"
        )
        sweep.start()
        try:
            yield
        finally:
            sweep.join()


def _leave_quietly(handle: ServerHandle) -> None:
    """Undo a start that failed; that failure is what the user must hear of."""
    try:
        handle.leave()
    except EngineError as exc:
        _log.info("could not remove the container, the next command will: %s", exc)
