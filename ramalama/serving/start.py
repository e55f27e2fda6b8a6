"""Answer a request for a server: get the model, then reuse a server or start a new one."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ramalama.config.api_name import ApiName
from ramalama.errors import EngineFailure, ModelError, ServerNotReady, engine_errors
from ramalama.events import EngineConnected, Notice, ignore
from ramalama.models.formats.gguf import generates_text
from ramalama.planning.checks import check_on_engine, check_options
from ramalama.planning.digest import server_digest
from ramalama.planning.embedding import check_purpose, read_limits
from ramalama.planning.inputs import PlanInputs
from ramalama.planning.memory.embedding import server_memory
from ramalama.planning.memory.fit import admit_within
from ramalama.planning.plan import make_plan, with_digest
from ramalama.runtimes import find_runtime
from ramalama.serving.accelerator import (
    capacity_of,
    describe_unused,
    detect_for,
    detect_on,
    needs_runtimes,
    required,
)
from ramalama.serving.environment import draw_environment
from ramalama.serving.images import (
    ImageRequest,
    describe_stand_in,
    fetch_image,
    name_of_image,
    name_of_stack,
    parse_image,
)
from ramalama.serving.launch import Launcher
from ramalama.serving.new_server import NewServer
from ramalama.serving.request import StartRequest
from ramalama.serving.run_dir import ensure_private
from ramalama.serving.sides.find import side_of
from ramalama.serving.sides.side import HERE
from ramalama.serving.usage import any_shared
from ramalama.serving.wanted_model import get_model, model_to_plan
from ramalama_accel.values import AcceleratorKind
from ramalama_engines.errors import EngineError, EngineUnavailable
from ramalama_engines.kinds import PullPolicy
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from ramalama.config.config import Config
    from ramalama.config.options import ServeOptions
    from ramalama.events import EventHook
    from ramalama.models.library import Models
    from ramalama.models.pull import Admit
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.models.transports.selection.request import Variant
    from ramalama.planning.plan import LaunchPlan
    from ramalama.serving.engines import EngineProvider
    from ramalama.serving.record import ServerRecord
    from ramalama.serving.reuse import ServerSearch
    from ramalama.serving.server import ModelServer
    from ramalama.serving.sides.side import EngineSide
    from ramalama_accel.host import Host
    from ramalama_accel.values import Detection
    from ramalama_engines import Engine, InvokingUser
    from ramalama_engines.discovery.engine_identity import EngineIdentity


_UNIX = "unix://"
_log = logging.getLogger("ramalama.start")


@frozen()
class ServerStarter:
    """Starts the servers of one user on one host; see `ramalama.Ramalama`."""

    config: Config
    user: InvokingUser
    host: Host
    models: Models
    run_dir: Path
    engines: EngineProvider

    def start(self, request: StartRequest, undo: ExitStack) -> ModelServer:
        """Return a server that answers; see `Ramalama.start`. Its clean-up is added to *undo*."""
        server = self._reuse_or_start(request, undo)
        server.keep_by(self.engines.keep)
        return server

    def _reuse_or_start(self, request: StartRequest, undo: ExitStack) -> ModelServer:
        check_options(request.options)
        model = get_model(request, self.models, admit=self._admit)
        # What is found is the same; a chat, which is most starts, asks the quick question alone.
        if request.options.embeddings or model.directory or not generates_text(model.weights[0]):
            check_purpose(request.options, model)
        if not self.engines.is_given and _may_be_recorded(request):
            server = self._reuse_recorded(request, model, undo)
            if server is not None:
                return server
        engine = self.engines.connect()
        request.tell(EngineConnected(engine.kind, engine.url))
        # Protects the model's files until the server has read them; then it needs them no more.
        with engine_errors(), self.models.serving(model):
            return self._start_on(engine, request, model, undo)

    def plan(self, options: ServeOptions, model: StoredModel | None) -> LaunchPlan:
        """Return the plan that `start` would carry out; see `Ramalama.plan`."""
        check_options(options)
        model = model or model_to_plan(options, self.models)
        find_runtime(options.runtime).check(model)
        if remote := self.engines.remote():
            return self._plan_unseen(remote, options, model)
        engine = self.engines.connect()
        with engine_errors():
            check_on_engine(options, engine.kind, rootless=engine.rootless)
            side = side_of(engine, self.run_dir).expected
            host = side.accelerated(self.host)
            inputs = self._inputs(options, model, detect_on(engine, host, options))
            _check_names(inputs)
            inputs = inputs.with_images(engine.image)
            inputs = self._with_memory(inputs, side)
            launcher = Launcher(engine, self.run_dir, StartRequest(options=options), side)
            return launcher.plan(inputs, digest=server_digest(inputs, launcher.here))

    def _plan_unseen(
        self, engine: EngineIdentity, options: ServeOptions, model: StoredModel
    ) -> LaunchPlan:
        """Return the plan for a remote engine without a connection to it, as far as it is known."""
        from ramalama.serving.sides.planned import planned_side  # noqa: PLC0415 (rarely needed)

        check_on_engine(options, engine.kind, rootless=engine.rootless)
        side = planned_side(self.run_dir, engine.url)
        detection = detect_for(
            side.accelerated(self.host), options, rootless=engine.rootless, oci_runtimes=tuple
        )
        inputs = self._inputs(options, model, detection)
        _check_names(inputs)
        inputs = self._with_memory(inputs, side)
        here = draw_environment(engine, self.run_dir, side)
        return with_digest(make_plan(inputs, here), server_digest(inputs, here))

    def _with_memory(self, inputs: PlanInputs, side: EngineSide) -> PlanInputs:
        """Return the inputs of a plan with estimates of what the models take."""
        embedder = inputs.embedder and self._with_memory(inputs.embedder, side)
        return replace(inputs, model_memory=self._memory(inputs, side), embedder=embedder)

    def _memory(self, inputs: PlanInputs, side: EngineSide) -> int | None:
        """Return the estimate for a plan, whose model may be a stand-in without files."""
        try:
            capacity = capacity_of(side, self.host, inputs.options, inputs.accelerator)
            return server_memory(inputs, capacity)
        except (OSError, ModelError):
            return None

    def _admit(self, options: ServeOptions) -> Admit:
        """Return what is called before a pull for a server with *options*."""

        def admit(name: str, weights: int, variants: Sequence[Variant]) -> None:
            # Without an engine, a download would be for nothing; but a model that is too large for
            # this host is so whatever is wrong with the engine here.
            unreached: EngineFailure | None = None
            side: EngineSide = HERE
            try:
                side = side_of(self.engines.connect(), self.run_dir).expected
            except EngineFailure as exc:
                if self.engines.remote() is not None:
                    raise
                unreached = exc
            if not options.force:
                capacity = capacity_of(side, self.host, options)
                admit_within(capacity)(name, weights, variants)
            if unreached is not None:
                raise unreached

        return admit

    def _start_on(
        self, engine: Engine, request: StartRequest, model: StoredModel, undo: ExitStack
    ) -> ModelServer:
        check_on_engine(request.options, engine.kind, rootless=engine.rootless)
        found = side_of(engine, self.run_dir)
        side = found.settle(lambda: self._fetch_any(engine, request))
        try:
            return self._start_at(side, engine, request, model, undo)
        except EngineUnavailable:
            raise
        except (EngineError, ServerNotReady):
            found.forget()
            raise

    def _start_at(
        self,
        side: EngineSide,
        engine: Engine,
        request: StartRequest,
        model: StoredModel,
        undo: ExitStack,
    ) -> ModelServer:
        detection = detect_on(engine, side.accelerated(self.host), request.options)
        asks = needs_runtimes(detection, request.options)
        inputs = self._inputs(request.options, model, detection, request.tell)
        self._report_unused_gpus(request, inputs, detection, host=side.name)
        new = NewServer(
            request=request,
            inputs=inputs,
            launcher=Launcher(engine, self.run_dir, request, side),
            engine=engine,
            side=side,
            digest_of=self.models.digest_of,
            user=self.user,
            oci_runtimes=engine.info.oci_runtimes if asks else None,
        )
        with self.models.serving(inputs.embedder.model) if inputs.embedder else nullcontext():
            return self._start_new(new, undo)

    def _start_new(self, new: NewServer, undo: ExitStack) -> ModelServer:
        """Start a server, or attach to a running one that is the same."""
        request, inputs = new.request, new.inputs
        capacity = capacity_of(new.side, self.host, request.options, inputs.accelerator)
        if not request.reuse:
            return new.start(capacity, undo)
        from ramalama.serving.start_lock import starting  # noqa: PLC0415 (only for reuse)

        with starting(
            self.run_dir,
            server_digest(inputs, new.launcher.here),
            on_wait=partial(request.tell, Notice("waiting for another start of the same server")),
            cancel=request.cancel,
        ):
            return self._reuse_running(new, undo) or new.start(capacity, undo)

    def _fetch_any(self, engine: Engine, request: StartRequest) -> str:
        """Fetch an image to look around on the engine's host, before its accelerator is known."""
        options = request.options
        name = name_of_image(self.config, options.image, AcceleratorKind.CPU, options.runtime)
        wanted = ImageRequest.of(name, options)
        fetch_image(engine, self.user, wanted, on_event=request.tell)
        return name

    def _reuse_running(self, new: NewServer, undo: ExitStack) -> ModelServer | None:
        """Attach to a running server that is the same as *new*; None if there is none."""
        from ramalama.serving.reuse import ServerSearch  # noqa: PLC0415 (only for reuse)

        if new.request.options.pull_policy in (PullPolicy.ALWAYS, PullPolicy.NEWER):
            inputs = new.with_images()
        else:
            inputs = new.inputs.with_images(new.engine.image)
        if not inputs.has_images:
            return None  # no server can run with them
        search = ServerSearch(
            request=new.request,
            inputs=inputs,
            here=new.launcher.here,
            side=new.side,
            engine=new.engine.url,
            connect=lambda: new.engine,
        )
        return search.among_running(self.run_dir, undo)

    def _reuse_recorded(
        self, request: StartRequest, model: StoredModel, undo: ExitStack
    ) -> ModelServer | None:
        """Attach to a recorded server on an engine that the settings could choose, if any."""
        from ramalama.serving.record import server_records  # noqa: PLC0415 (only for reuse)

        if not any_shared(self.run_dir):
            return None
        ensure_private(self.run_dir)  # otherwise another user may have written it
        records = server_records(self.run_dir)
        for identity in self.engines.expected(each.engine for each in records):
            if not identity.url.startswith(_UNIX):
                continue  # the socket of its server is on another host
            on_engine = [each for each in records if each.engine == identity]
            try:
                search = self._search_on(identity, on_engine, request, model)
                server = search.among_recorded(on_engine, undo)
            except EngineError as exc:  # a new start reports it, or does not need it
                _log.info("could not ask the engine at %s: %s", identity.url, exc)
                continue
            if server is not None:
                return server
        return None

    def _search_on(
        self,
        identity: EngineIdentity,
        records: Sequence[ServerRecord],
        request: StartRequest,
        model: StoredModel,
    ) -> ServerSearch:
        """Prepare the search for a server on an engine that is not open."""
        from ramalama.serving.reuse import ServerSearch  # noqa: PLC0415 (only for reuse)

        connect = partial(self.engines.reopen, identity)
        known = next((each.oci_runtimes for each in records if each.oci_runtimes is not None), None)
        detection = detect_for(
            self.host,
            request.options,
            rootless=identity.rootless,
            oci_runtimes=lambda: connect().info.oci_runtimes if known is None else known,
        )
        return ServerSearch(
            request=request,
            inputs=self._inputs(request.options, model, detection),
            here=draw_environment(identity, self.run_dir, HERE),
            side=HERE,
            engine=identity.url,
            connect=connect,
        )

    def _inputs(
        self,
        options: ServeOptions,
        model: StoredModel,
        detection: Detection,
        tell: EventHook = ignore,
    ) -> PlanInputs:
        accelerator = required(detection)
        inputs = PlanInputs(
            options=options,
            model=model,
            accelerator=accelerator,
            image_name=name_of_image(self.config, options.image, accelerator.kind, options.runtime),
            stack_name=name_of_stack(options),
            embedding=read_limits(options, model) if options.embeddings else None,
        )
        if options.api is ApiName.NONE:
            return inputs
        from ramalama.serving.embedder_beside import find_embedder  # noqa: PLC0415 (rarely needed)

        found = find_embedder(self.config, self.models, inputs)
        if found.notice:
            tell(Notice(found.notice))
        return replace(inputs, embedder=found.inputs)

    def _report_unused_gpus(
        self, request: StartRequest, inputs: PlanInputs, detection: Detection, *, host: str
    ) -> None:
        if unused := describe_unused(detection, request.options, self.user.env, host=host):
            request.tell(Notice(unused))
        kind, runtime = inputs.accelerator.kind, inputs.options.runtime
        if notice := describe_stand_in(inputs.image_name, kind, runtime):
            request.tell(Notice(notice))


def _check_names(inputs: PlanInputs) -> None:
    """Check the names of the images.

    Raises:
        InvalidReference: one of them is neither a name nor an ID.
    """
    parse_image(inputs.image_name)
    if inputs.stack_name:
        parse_image(inputs.stack_name)


def _may_be_recorded(request: StartRequest) -> bool:
    """Return whether a recorded server can be used without asking the engine.

    Not one on a port, because another program may use the port after the server has ended. And a
    newer image can be found only through the engine.
    """
    may_be_old = request.options.pull_policy in (PullPolicy.MISSING, PullPolicy.NEVER)
    return request.reuse and request.options.network == "none" and may_be_old
