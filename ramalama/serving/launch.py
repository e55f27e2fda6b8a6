"""Start a server by a plan, and undo everything if that fails."""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama.errors import OptionRefused, ServerExited, ServerNotReady
from ramalama.events import ContainerCreated, ContainerStarted, Notice, ServerReady
from ramalama.models.formats.gguf import has_chat_template
from ramalama.planning.plan import make_plan, with_digest, without_shell
from ramalama.runtimes import find_runtime
from ramalama.serving.cleanup import remove_orphaned
from ramalama.serving.container import ExitPoll, ExitWatch, ServerContainer
from ramalama.serving.environment import draw_environment
from ramalama.serving.exit_report import LOG_TAIL, ExitReporter, read_log_end
from ramalama.serving.handle import ServerHandle
from ramalama.serving.health import NotReadyInTime, probe
from ramalama.serving.run_dir import ServerDir
from ramalama.serving.server import ModelServer
from ramalama.system.ports import free_port
from ramalama_chat.client.endpoint import LOOPBACK, TcpEndpoint, UnixEndpoint
from ramalama_engines.errors import (
    ContainerConflict,
    ContainerStartError,
    EngineError,
    ProgramNotFound,
)
from ramalama_engines.kinds import EngineKind
from ramalama_engines.spec import ContainerStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import ExitStack
    from pathlib import Path

    from ramalama.config.options import ServeOptions
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.planning.inputs import PlanInputs
    from ramalama.planning.plan import LaunchPlan
    from ramalama.runtimes.base import ServerSpec
    from ramalama.serving.request import StartRequest
    from ramalama.serving.sides.side import EngineSide
    from ramalama.serving.sides.upload import Upload
    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_engines import ContainerSpec, Engine

_log = logging.getLogger("ramalama.launch")

_FALLBACK = (
    "the server computes on the CPU although {host} has a GPU; answers will be slow; "
    "run `ramalama doctor` to find out why"
)


_NO_PROGRAM = (126, 127)  # exit codes of a shell that cannot run a program

_REACHED_WITHIN = 5.0  # seconds, after which a server that listens must answer

_NO_SOCKET = (
    "the server's socket cannot be reached on the engine's host, so the server has a network, and "
    "a port is published on {host} there; it requires a key"
)

_IN_CLEAR = "; what is sent there is not encrypted, as it is with an engine at ssh://"

_NO_TEMPLATE = (
    "the model has no chat template, so the server uses a general one; the model may answer oddly"
)


class Launcher:
    """Starts one server for one request on one engine."""

    def __init__(
        self, engine: Engine, run_dir: Path, request: StartRequest, side: EngineSide
    ) -> None:
        self._engine = engine
        self._run_dir = run_dir
        self._side = side
        self._request = request
        self._runtime = find_runtime(request.options.runtime)
        self._upload: Upload | None = None
        # Chosen once, so that all plans of one launcher are for the same server.
        self.here = draw_environment(engine, run_dir, side)

    def bring(self, upload: Upload) -> None:
        """Bring the model to the engine's side, and plan from now on with its files there."""
        self._upload = upload
        self.here = replace(self.here, placement=self._side.bring(upload))

    def bring_beside(self, upload: Upload) -> None:
        """Bring the model of the embeddings server beside; `bring` has to follow."""
        self.here = replace(self.here, beside=self._side.bring(upload))

    def plan(self, inputs: PlanInputs, *, digest: str) -> LaunchPlan:
        """Return the plan of the server, labelled with *digest*; write nothing."""
        options = inputs.options
        if self.here.host_port is None and self._needs_port(options):
            # As late as possible, because another program could take the port.
            self.here = replace(self.here, host_port=free_port(options.port))
        return with_digest(make_plan(inputs, self.here), digest)

    def _needs_port(self, options: ServeOptions) -> bool:
        """Return whether the engine cannot choose the port.

        Docker chooses another one at each start of a container.

        Raises:
            OptionRefused: a port must be chosen on another host.
        """
        if options.network == "host":
            return True
        restarts = self._request.restart is not None and self._engine.kind == EngineKind.DOCKER
        has_port = options.network != "none" or not self.here.placement.has_sockets
        if options.port or not restarts or not has_port:
            return False
        if not self._side.is_here:
            msg = f"restart needs a port, because Docker on {self._side.name} would choose others"
            raise OptionRefused(msg, hint="choose one with port=")
        return True

    def launch(self, plan: LaunchPlan, undo: ExitStack) -> ModelServer:
        """Create and start the container, and wait until the server answers; see `Ramalama.start`.

        If the request shares the server, other processes may use it as soon as it exists. The
        caller must close *undo*, even after an error: each step adds its clean-up to *undo* before
        it begins. If the server were only returned, Ctrl-C could come before the caller has it.

        Raises:
            EngineError: the engine does not answer, or rejects the container.
            ServerError: the server ends or does not become ready.
        """
        request, directory = self._request, ServerDir(self.here.instance.path)
        instance = ServerContainer(self._engine, directory, self._side)
        handle = ServerHandle(
            self._engine.url,
            directory,
            instance.remove,
            on_share=lambda: self._side.share(directory),
        )
        undo.callback(handle.leave_quietly)
        self._warn_of_port(plan)
        instance.prepare(plan.files)
        if request.shares:
            handle.share(keep_alive=request.keep_alive or 0.0)
        try:
            server = self._serve(instance, handle, plan)
        except (ProgramNotFound, ServerExited) as exc:
            plain = _without_shell(plan, exc)
            if plain is None:
                raise
            instance.remove_container()
            server = self._serve(instance, handle, plain)
        self._warn_of_cpu(server.container, plan.server)
        # Last: until here, a start that is cancelled leaves no server, not even one with a
        # keep-alive time.
        handle.settled = True
        if request.restart is not None:
            reporter = self._exit_reporter(server.container, server.plan)
            server.supervise(request.restart, request, reporter)
        return undo.enter_context(server)

    def _serve(
        self, instance: ServerContainer, handle: ServerHandle, plan: LaunchPlan
    ) -> ModelServer:
        """Create and start the containers, and wait until the server answers."""
        container = self._start_all(instance, plan)
        server = self._server(handle, container, plan)
        with self._cleaning_up():
            has_template = self._request.options.embeddings or _has_template(plan.model)
            self._wait(server, container)
        self._request.tell(ServerReady(container))
        if not has_template:
            self._request.tell(Notice(_NO_TEMPLATE))
        return server

    def _warn_of_port(self, plan: LaunchPlan) -> None:
        """Say that the server has a network although none was asked for."""
        if self._request.options.network == "none" and isinstance(plan.endpoint, TcpEndpoint):
            host = plan.endpoint.host
            in_clear = "" if host in LOOPBACK else _IN_CLEAR
            self._request.tell(Notice(_NO_SOCKET.format(host=host) + in_clear))

    def _create(self, create: Callable[[ContainerSpec], str], spec: ContainerSpec) -> str:
        try:
            return create(spec)
        except ContainerConflict:
            # The name may belong to a container left behind by a process that has ended.
            if not remove_orphaned(self._engine, self._run_dir):
                raise
            return create(spec)

    def _start_all(self, instance: ServerContainer, plan: LaunchPlan) -> str:
        """Create and start the containers, and return the ID of the server's own."""
        container = self._create_with_model(instance, plan)
        self._request.tell(ContainerCreated(container, plan.container.name or ""))
        container = self._start(instance, plan)
        self._request.tell(ContainerStarted(container))
        for spec in plan.companions:
            self._start_beside(instance, plan, spec)
        return container

    def _start_beside(
        self, instance: ServerContainer, plan: LaunchPlan, spec: ContainerSpec
    ) -> None:
        """Create and start a container beside that of the server, which must run."""
        try:
            companion = self._create(instance.create_companion, spec)
            instance.start_companion(companion)
        except EngineError as exc:
            container = instance.container or ""
            if self._engine.inspect(container).status is ContainerStatus.EXITED:
                raise self._exit_reporter(container, plan).report() from exc
            if not isinstance(exc, ContainerStartError):
                raise
            msg = f"{exc} (image {spec.image}, --api {self._request.options.api})"
            raise type(exc)(msg, engine=exc.engine) from exc

    def _create_with_model(self, instance: ServerContainer, plan: LaunchPlan) -> str:
        """Create the container, and again if its model was removed from there meanwhile.

        From then on no command removes the model.
        """
        container = self._create(instance.create, plan.container)
        if self._upload is None or self._side.has(self._upload):
            return container
        instance.remove_container()
        self._side.bring(self._upload)
        return self._create(instance.create, plan.container)

    def _start(self, instance: ServerContainer, plan: LaunchPlan) -> str:
        try:
            return instance.start()
        except ContainerStartError as exc:
            msg = f"{exc} (image {plan.container.image}, runtime {self._runtime.name})"
            raise type(exc)(msg, engine=exc.engine) from exc

    def _server(self, handle: ServerHandle, container: str, plan: LaunchPlan) -> ModelServer:
        engine, planned = self._engine, self._endpoint(container, plan)
        directory, port = ServerDir(self.here.instance.path), self._request.options.port
        endpoint = self._side.endpoint(planned, directory, port=port)
        health = plan.server.health_path
        beside = tuple(spec.name or "" for spec in plan.companions)
        watch = (
            ExitPoll(
                lambda: engine, lambda: probe(endpoint, health) is not None, container, *beside
            )
            if self._request.shares or self._request.restart is not None
            else ExitWatch(engine, container, *beside)
        )
        exit_reporter = self._exit_reporter(container, plan)
        server = ModelServer(
            plan, endpoint, handle=handle, watch=watch, exit_reporter=exit_reporter
        )
        server.forwarded_to = "" if endpoint == planned else self._side.name
        return server

    def _exit_reporter(self, container: str, plan: LaunchPlan) -> ExitReporter:
        engine = self._engine
        return ExitReporter(
            connect=lambda: engine,
            container=container,
            runtime=self._runtime,
            model=str(plan.model.reference),
            companions=tuple(spec.name or "" for spec in plan.companions),
        )

    def _endpoint(self, container: str, plan: LaunchPlan) -> Endpoint:
        """Return the endpoint there with the port that the engine chose; 0 if there is none."""
        endpoint = plan.endpoint
        if isinstance(endpoint, TcpEndpoint) and plan.published_port and not endpoint.port:
            for port in self._engine.inspect(container).ports:
                if port.container_port == plan.published_port:
                    return replace(endpoint, port=port.host_port)
        return endpoint

    def _wait(self, server: ModelServer, container: str) -> None:
        timeout, cancel = self._request.ready_timeout, self._request.cancel
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        # A socket of this host is reached if the server has it. That one elsewhere is reached, too,
        # was found out some time ago. Whether the image of a companion makes one is not known.
        is_here = isinstance(server.endpoint, UnixEndpoint) and self._side.is_here
        pause = math.inf if is_here and not server.plan.companions else _REACHED_WITHIN
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                return server.wait_until_ready(timeout=min(left, pause), cancel=cancel)
            except NotReadyInTime as exc:
                if left <= pause:
                    raise self._not_ready(container, f"{timeout:g} s") from exc
            self._check_reachable(server, container)
            pause *= 2

    def _not_ready(self, container: str, time_limit: str) -> ServerNotReady:
        tail = read_log_end(self._engine, container, LOG_TAIL)
        msg = f"the {self._runtime.name} server did not become ready within {time_limit}"
        return ServerNotReady(msg, log_tail=tail)

    def _check_reachable(self, server: ModelServer, container: str) -> None:
        """Give up a server that listens in its container, but whose port never answers here.

        Raises:
            ServerNotReady: the engine does not connect the port with the server.
        """
        endpoint, path = server.endpoint, server.plan.server.health_path
        if server.plan.companions:
            from ramalama.serving.companions import (  # noqa: PLC0415 (rarely needed)
                check_reachable,
            )

            def answers() -> bool:
                return probe(endpoint, path, cancel=self._request.cancel) is not None

            check_reachable(self._engine, server.plan, answers, lines=LOG_TAIL)
            return
        listens = self._runtime.listens(read_log_end(self._engine, container, LOG_TAIL))
        if listens and probe(endpoint, path, cancel=self._request.cancel) is None:
            msg = f"the server listens in its container, but nothing answers at {endpoint}"
            raise ServerNotReady(msg, hint=_why_unreached(endpoint))

    def _warn_of_cpu(self, container: str, server: ServerSpec) -> None:
        """Warn if the server should use a GPU but computes on the CPU."""
        if not (server.wants_gpu or _log.isEnabledFor(logging.DEBUG)):
            return
        try:
            report = self._runtime.report(tuple(self._engine.logs(container)))
        except EngineError as exc:
            _log.info("could not find out what the server computes on: %s", exc)
            return
        _log.debug("the server computes %s", report)
        if server.wants_gpu and report.on_cpu:
            self._request.tell(Notice(_FALLBACK.format(host=self._side.name)))

    @contextmanager
    def _cleaning_up(self) -> Generator[None]:
        """Remove what other processes have left behind, while the server loads its model."""
        cleanup = threading.Thread(
            target=remove_orphaned, args=(self._engine, self._run_dir), name="ramalama-sweep"
        )
        cleanup.start()
        try:
            yield
        finally:
            cleanup.join()


def _without_shell(plan: LaunchPlan, exc: ProgramNotFound | ServerExited) -> LaunchPlan | None:
    """Return the plan for an image without a shell, if that may be why the server has not run."""
    if isinstance(exc, ServerExited) and exc.exit_code not in _NO_PROGRAM:
        return None
    spec = without_shell(plan.container)
    return None if spec is None else replace(plan, container=spec)


def _why_unreached(endpoint: Endpoint) -> str:
    if isinstance(endpoint, UnixEndpoint):
        return "try again: the next start looks anew how the engine's host is reached"
    return "does the container's network have IPv6?" if ":" in endpoint.host else "check --network"


def _has_template(model: StoredModel) -> bool:
    """Return whether a model has a chat template; only a GGUF file is looked into."""
    if model.directory or model.chat_template or model.template_name:
        return True
    try:
        return has_chat_template(model.weights[0])
    except OSError:  # the server will report it
        return True
