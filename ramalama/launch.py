"""From a plan to a server that answers, with everything undone if that fails."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama.cores import default_threads
from ramalama.errors import ServerNotReady
from ramalama.events import ContainerCreated, ContainerStarted, Notice, ServerReady, ignore
from ramalama.instance import Instance
from ramalama.lease import Lease
from ramalama.orphans import remove_orphaned
from ramalama.planning import Circumstances, make_plan
from ramalama.ports import free_port
from ramalama.readiness import ExitWatch
from ramalama.rundir import new_instance
from ramalama.server import LOG_TAIL, ModelServer, PostMortem
from ramalama_chat.endpoint import TcpEndpoint
from ramalama_engines import ContainerConflict, ContainerStartError, EngineError

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import ExitStack
    from pathlib import Path

    from ramalama.events import EventHook
    from ramalama.options import ServeOptions
    from ramalama.planning import LaunchPlan
    from ramalama.runtimes.base import Runtime, ServerSpec
    from ramalama.store.models import StoredModel
    from ramalama_accel.base import Accelerator
    from ramalama_chat.endpoint import Endpoint
    from ramalama_engines import Engine, LocalImage

_log = logging.getLogger("ramalama.launch")

_NAME_BYTES = 5
_API_KEY_BYTES = 32
_FALLBACK = (
    "the server computes on the CPU although this host has a GPU; the answer will be slow; "
    "run `ramalama doctor` to find out why"
)


class Launcher:
    """Carries one plan out on one engine."""

    def __init__(
        self, engine: Engine, runtime: Runtime, run_dir: Path, *, on_event: EventHook = ignore
    ) -> None:
        self._engine = engine
        self._runtime = runtime
        self._run_dir = run_dir
        self._on_event = on_event
        self._directory = new_instance(run_dir, Lease.of_this_process())

    def plan(
        self,
        options: ServeOptions,
        model: StoredModel,
        accelerator: Accelerator,
        *,
        image_name: str,
        image: LocalImage | None,
    ) -> LaunchPlan:
        """Gather the circumstances and make the plan; nothing is written."""
        here = Circumstances(
            engine=self._engine.kind,
            runtime=self._runtime.name,
            rootless=self._engine.rootless,
            uid=os.getuid(),
            gid=os.getgid(),
            image_name=image_name,
            image=image,
            instance=self._directory,
            lease=Lease.of_this_process(),
            container_name=f"ramalama-{os.urandom(_NAME_BYTES).hex()}",
            threads=default_threads(),
            api_key=os.urandom(_API_KEY_BYTES).hex(),
            host_port=free_port(options.port) if options.network == "host" else None,
        )
        return make_plan(options, model, accelerator, self._runtime, here)

    def launch(
        self, plan: LaunchPlan, undo: ExitStack, *, ready_timeout: float | None
    ) -> ModelServer:
        """Create, start and wait; see `Ramalama.start`.

        Whoever calls closes *undo*, whatever happens; everything is in it before it is there. A
        server that is merely returned would be lost on its way if Ctrl-C came just then.

        Raises:
            EngineError: the engine refuses, or is gone.
            ServerError: the server does not come up.
        """
        instance = Instance(self._engine, self._directory)
        undo.callback(_remove_quietly, instance)
        container = self._create(instance, plan)
        self._on_event(ContainerCreated(container, plan.container.name or ""))
        self._start(instance, plan)
        self._on_event(ContainerStarted(container))
        server = self._attach(instance, container, plan)
        with self._sweeping():
            self._wait(server, container, ready_timeout)
        self._on_event(ServerReady(container))
        self._look_for_fallback(container, plan.server)
        return undo.enter_context(server)

    def _create(self, instance: Instance, plan: LaunchPlan) -> str:
        key = plan.endpoint.api_key if isinstance(plan.endpoint, TcpEndpoint) else None
        instance.prepare(api_key=key)
        try:
            return instance.create(plan.container)
        except ContainerConflict:
            # The name may be a dead owner's, whom nobody has cleaned up after yet.
            if not remove_orphaned(self._engine, self._run_dir):
                raise
            return instance.create(plan.container)

    def _start(self, instance: Instance, plan: LaunchPlan) -> None:
        try:
            instance.start()
        except ContainerStartError as exc:
            msg = f"{exc} (image {plan.container.image}, runtime {self._runtime.name})"
            raise ContainerStartError(msg, engine=exc.engine) from exc

    def _attach(self, instance: Instance, container: str, plan: LaunchPlan) -> ModelServer:
        post_mortem = PostMortem(
            engine=self._engine,
            container=container,
            runtime=self._runtime,
            model=str(plan.model.reference),
        )
        return ModelServer(
            plan,
            self._endpoint(container, plan),
            instance=instance,
            watch=ExitWatch(self._engine, container),
            post_mortem=post_mortem,
        )

    def _endpoint(self, container: str, plan: LaunchPlan) -> Endpoint:
        """Fill in the port that the engine picked; a container that has died meanwhile has none."""
        endpoint = plan.endpoint
        if isinstance(endpoint, TcpEndpoint) and plan.published_port and not endpoint.port:
            for port in self._engine.inspect(container).ports:
                if port.container_port == plan.published_port:
                    return replace(endpoint, port=port.host_port)
        return endpoint

    def _wait(self, server: ModelServer, container: str, timeout: float | None) -> None:
        try:
            server.wait_until_ready(timeout=timeout)
        except TimeoutError as exc:
            tail = tuple(self._engine.logs(container, tail=LOG_TAIL))
            msg = f"the {self._runtime.name} server did not become ready within {timeout:g} s"
            raise ServerNotReady(msg, log_tail=tail) from exc

    def _look_for_fallback(self, container: str, server: ServerSpec) -> None:
        """Tell whoever has a GPU if the server does without; nobody else waits for the answer."""
        if not (server.wants_gpu or _log.isEnabledFor(logging.DEBUG)):
            return
        try:
            report = self._runtime.report(tuple(self._engine.logs(container)))
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
            target=remove_orphaned, args=(self._engine, self._run_dir), name="ramalama-sweep"
        )
        sweep.start()
        try:
            yield
        finally:
            sweep.join()


def _remove_quietly(instance: Instance) -> None:
    """Undo a start that failed; that failure is what the user must hear of."""
    try:
        instance.remove()
    except EngineError as exc:
        _log.info("could not remove the container, the next command will: %s", exc)
