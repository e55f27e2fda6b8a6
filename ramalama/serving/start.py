"""From what is asked to a server: get the model, find the engine and the accelerator, start."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import OptionRefused, engine_errors
from ramalama.events import EngineConnected, Notice
from ramalama.models.options import ModelFormat, PullOptions
from ramalama.models.store.stored_model import StoredModel
from ramalama.planning.checks import check_options
from ramalama.planning.draft_model import check_draft, with_draft
from ramalama.planning.inputs import PlanInputs
from ramalama.planning.memory.capacity import MemoryCapacity
from ramalama.planning.memory.fit import admit_within
from ramalama.runtimes import find_runtime
from ramalama.serving.accelerator import detect_on, needs_runtimes
from ramalama.serving.images import describe_stand_in, name_of_image, parse_image
from ramalama.serving.launch import Launcher
from ramalama.serving.reuse import ServerStart, may_reuse_recorded
from ramalama.serving.run_dir import ensure_private
from ramalama.serving.usage import any_shared
from ramalama.system.memory import available_memory
from ramalama_accel.detection import detect
from ramalama_accel.values import InvalidVisibleDevices
from ramalama_engines.discovery.candidates import expected_candidates
from ramalama_engines.discovery.connection import open_engine
from ramalama_engines.discovery.lazy_engine import LazyEngine
from ramalama_engines.errors import EngineError
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.config.options import ServeOptions
    from ramalama.models.reference.reference import ModelRef
    from ramalama.planning.plan import LaunchPlan
    from ramalama.runtimes.base import Runtime
    from ramalama.serving.options import StartContext, StartOptions
    from ramalama.serving.server import ModelServer
    from ramalama_accel.values import Accelerator, Detection
    from ramalama_engines import Engine
    from ramalama_engines.discovery.lazy_engine import EngineIdentity


_log = logging.getLogger("ramalama.start")


@frozen()
class StartRequest:
    """A server that is wanted, and its model, which is there."""

    options: ServeOptions
    terms: StartOptions
    runtime: Runtime
    model: StoredModel


class ServerStarter:
    """What the starts of one `Ramalama` have in common.

    *connect* returns its engine. With *may_choose* a server may be used that is on another one
    which this user's settings allow.
    """

    def __init__(
        self, context: StartContext, connect: Callable[[], Engine], *, may_choose: bool
    ) -> None:
        self._context = context
        self._connect = connect
        self._may_choose = may_choose
        self._opening = threading.Lock()
        self._lazy_engines: dict[EngineIdentity, LazyEngine] = {}
        self._closing = ExitStack()

    def start(self, options: ServeOptions, undo: ExitStack, terms: StartOptions) -> ModelServer:
        """Return a server that answers; see `Ramalama.start`. What closes it is in *undo*."""
        check_options(options)
        runtime = find_runtime(options.runtime)

        def get(reference: ModelRef) -> StoredModel:
            found = self._context.models.find(reference, on_event=terms.tell)
            return found or self._pull(replace(options, model=reference), runtime, terms)

        model = _with_draft(options, get)
        runtime.check(model)
        check_draft(model)
        order = StartRequest(options=options, terms=terms, runtime=runtime, model=model)
        if self._may_choose and may_reuse_recorded(options, terms):
            server = self._reuse_recorded(order, undo)
            if server is not None:
                return server
        engine = self._connect()
        terms.tell(EngineConnected(engine.kind, engine.url))
        # Until the server has read the model; nobody needs the files' names from then on.
        with engine_errors(), self._context.models.serving(model):
            starter = self._starter(order, engine)
            _tell_of_gpus(starter.inputs, starter.unused, terms)
            return starter.start(undo)

    def plan(self, options: ServeOptions, model: StoredModel | None) -> LaunchPlan:
        """Say what `start` would tell the engine; see `Ramalama.plan`."""
        check_options(options)
        runtime = find_runtime(options.runtime)
        model = model or _with_draft(options, self._stand_in(options, runtime.format))
        runtime.check(model)
        engine = self._connect()
        with engine_errors():
            inputs = self._ingredients(options, model, self.detect_for(options))
            parse_image(inputs.image_name)
            image = engine.image(inputs.image_name)
            launcher = Launcher(engine, runtime, self._context.run_dir)
            inputs = replace(inputs, image=image)
            return launcher.plan(inputs, digest=launcher.digest(inputs))

    def detect_for(self, options: ServeOptions) -> Detection:
        """Look what accelerator a server with these *options* would have, on this engine."""
        engine = self._connect()
        with engine_errors():
            return detect_on(engine, self._context.host, options)

    def capacity(self, options: ServeOptions | None) -> MemoryCapacity:
        """Look how much memory a model could have on this host."""
        host = self._context.host
        return MemoryCapacity.of(available_memory(host.root), detect(host).accelerator, options)

    def close(self) -> None:
        """Give back the connections that servers have opened later."""
        with self._opening:
            self._closing.close()

    def _reuse_recorded(self, order: StartRequest, undo: ExitStack) -> ModelServer | None:
        """Use a server that is written down, on an engine that could be this user's choice."""
        from ramalama.serving.record import server_records  # noqa: PLC0415 (for reuse alone)

        if not any_shared(self._context.run_dir):
            return None
        ensure_private(self._context.run_dir)  # or what is written there may be another's words
        kind = self._context.config.engine
        welcome = {each.url for each in expected_candidates(self._context.user, kind=kind)}
        written = [
            each
            for each in server_records(self._context.run_dir)
            if each.engine.url in welcome and kind in (None, each.engine.kind)
        ]
        for identity in dict.fromkeys(each.engine for each in written):
            there = [each for each in written if each.engine == identity]
            known = (each.oci_runtimes for each in there if each.oci_runtimes is not None)
            try:
                starter = self._starter(order, self._lazy_engine(identity), next(known, None))
                server = starter.reuse_recorded(there, undo)
            except EngineError as exc:  # which the way to a new server will tell of, or do without
                _log.info("could not do without asking %s: %s", identity.url, exc)
                continue
            if server is not None:
                return server
        return None

    def _lazy_engine(self, identity: EngineIdentity) -> Engine:
        with self._opening:
            if identity not in self._lazy_engines:
                engine = LazyEngine(identity, lambda: open_engine(identity.kind, identity.url))
                self._lazy_engines[identity] = self._closing.enter_context(engine)
            return self._lazy_engines[identity]

    def _starter(
        self, order: StartRequest, engine: Engine, oci_runtimes: tuple[str, ...] | None = None
    ) -> ServerStart:
        options, terms = order.options, order.terms
        host, run_dir = self._context.host, self._context.run_dir
        detection = detect_on(engine, host, options, oci_runtimes=oci_runtimes)
        if oci_runtimes is None and needs_runtimes(detection, options):
            oci_runtimes = engine.info.oci_runtimes
        inputs = self._ingredients(options, order.model, detection)
        launcher = Launcher(
            engine, order.runtime, run_dir, on_event=terms.tell, cancel=terms.cancel
        )
        capacity = MemoryCapacity.of(available_memory(host.root), inputs.accelerator, options)
        unused = self._find_unused(options, detection)
        return ServerStart(
            launcher, inputs, capacity, self._context.user, terms, oci_runtimes, unused
        )

    def _ingredients(
        self, options: ServeOptions, model: StoredModel, detection: Detection
    ) -> PlanInputs:
        accelerator = required(detection)
        config = self._context.config
        name = name_of_image(config, options.image, accelerator.kind, options.runtime)
        return PlanInputs(
            options=options,
            model=model,
            accelerator=accelerator,
            image_name=name,
        )

    def _find_unused(self, options: ServeOptions, detection: Detection) -> str | None:
        """Say why a GPU of this host is not used, unless it is by the user's own wish."""
        all_used = all(finding.usable for finding in detection.findings)
        if all_used or options.ngl == 0 or options.devices == ():
            return None
        from ramalama_accel.unused_gpus import (  # noqa: PLC0415 (few hosts need it)
            describe_passed_over,
        )

        return describe_passed_over(detection, self._context.user.env)

    def _stand_in(
        self, options: ServeOptions, wanted: ModelFormat
    ) -> Callable[[ModelRef], StoredModel]:
        """Find models for a mere plan, which is no reason to fetch those that are not there."""

        def get(reference: ModelRef) -> StoredModel:
            path = Path("/path/to", "draft" if reference == options.draft else "model")
            directory = path if wanted is ModelFormat.SAFETENSORS else None
            stand_in = StoredModel(reference=reference, weights=(path,), directory=directory)
            return self._context.models.find(reference) or stand_in

        return get

    def _pull(self, options: ServeOptions, runtime: Runtime, terms: StartOptions) -> StoredModel:
        how = PullOptions(
            wanted=runtime.format, authfile=options.authfile, tls_verify=options.tls_verify
        )
        admit = None if options.force else admit_within(self.capacity(options))
        return self._context.models.pull(
            options.model, how, admit=admit, check=runtime.check, on_event=terms.tell
        )


def required(detection: Detection) -> Accelerator:
    """Return the accelerator to start with.

    Raises:
        OptionRefused: a ``*_VISIBLE_DEVICES`` of the user's makes no sense on this host.
    """
    try:
        return detection.require()
    except InvalidVisibleDevices as exc:
        raise OptionRefused(str(exc)) from exc


def _tell_of_gpus(inputs: PlanInputs, unused: str | None, terms: StartOptions) -> None:
    if unused:
        terms.tell(Notice(unused))
    kind, runtime = inputs.accelerator.kind, inputs.options.runtime
    if said := describe_stand_in(inputs.image_name, kind, runtime):
        terms.tell(Notice(said))


def _with_draft(options: ServeOptions, get: Callable[[ModelRef], StoredModel]) -> StoredModel:
    """Get what is to be served; its draft first, since that is small and may be misspelt."""
    draft = None if options.draft is None else get(options.draft)
    model = get(options.model)
    return model if draft is None else with_draft(model, draft)
