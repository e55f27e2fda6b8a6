"""How a start is gone about: attach to a server that is there, or launch one."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.events import ImageReady, Notice
from ramalama.planning.labels import INSTANCE_LABEL, PLAN_LABEL
from ramalama.planning.memory.fit import fit
from ramalama.serving.images import ImageRequest, fetch_image
from ramalama.serving.run_dir import ServerDir
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_engines.discovery.lazy_engine import EngineIdentity
from ramalama_engines.errors import EngineError
from ramalama_engines.kinds import PullPolicy
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack

    from ramalama.config.options import ServeOptions
    from ramalama.planning.inputs import PlanInputs
    from ramalama.planning.memory.capacity import MemoryCapacity
    from ramalama.serving.launch import Launcher
    from ramalama.serving.lookup import RunningServer
    from ramalama.serving.options import StartOptions
    from ramalama.serving.record import ServerRecord
    from ramalama.serving.server import ModelServer
    from ramalama_engines import InvokingUser, LocalImage

_log = logging.getLogger("ramalama.start")


def may_reuse_recorded(options: ServeOptions, terms: StartOptions) -> bool:
    """Tell whether a server that is merely written down could do.

    Not by a port, which may be anybody's once its server has ended; and whoever wants to know of a
    newer image has to ask the engine.
    """
    patient = options.pull_policy in (PullPolicy.MISSING, PullPolicy.NEVER)
    return terms.reuse and options.network == "none" and patient


@frozen(kw_only=False)
class ServerStart:
    """One start."""

    launcher: Launcher
    inputs: PlanInputs
    capacity: MemoryCapacity
    user: InvokingUser
    terms: StartOptions
    oci_runtimes: tuple[str, ...] | None = None
    unused: str | None = None

    def start(self, undo: ExitStack) -> ModelServer:
        """Return a server that answers; what closes it is in *undo* before it is there."""
        if not self.terms.reuse:
            return self._launch(undo)
        from ramalama.serving.start_lock import starting  # noqa: PLC0415 (for reuse alone)

        waiting = Notice("waiting for another start of the same server")
        with starting(
            self.launcher.run_dir,
            self.launcher.digest(self.inputs),
            on_wait=lambda: self.terms.tell(waiting),
            cancel=self.terms.cancel,
        ):
            return self._attach(undo) or self._launch(undo)

    def reuse_recorded(
        self, written: Sequence[ServerRecord], undo: ExitStack
    ) -> ModelServer | None:
        """Attach to a server that is written down and answers; the engine is asked nothing."""
        from ramalama.serving.lookup import RunningServer  # noqa: PLC0415 (for reuse alone)

        for inputs in self._acceptable(self.inputs):
            asked = self.launcher.digest(inputs)
            for each in written:
                if each.asked == asked:
                    found = RunningServer(
                        container=each.container,
                        name=each.name,
                        directory=each.directory,
                        endpoint=UnixEndpoint(path=str(each.directory.socket)),
                    )
                    if server := self._join(inputs, found, each.plan, undo):
                        return server
        return None

    def _launch(self, undo: ExitStack) -> ModelServer:
        asked, terms = self.inputs, self.terms
        options = fit(asked.options, asked.model, self.capacity, on_event=terms.tell)
        image = self._fetch()
        keep_alive = (terms.keep_alive or 0.0) if terms.shares else None
        # Before a file can be another one; who shares nothing need not wait for it.
        digest = self.launcher.digest(asked) if terms.shares else None
        server = self.launcher.launch(
            self.launcher.plan(
                replace(asked, options=options, image=image),
                digest=self.launcher.digest(replace(asked, image=image)),
            ),
            undo,
            ready_timeout=terms.ready_timeout,
            keep_alive=keep_alive,
        )
        if digest is not None:
            self._write_down(server, digest)
        return server

    def _write_down(self, server: ModelServer, asked: str) -> None:
        """Save those who ask for the same from asking the engine; without it they do."""
        from ramalama.serving.record import ServerRecord  # noqa: PLC0415 (for reuse alone)

        engine = self.launcher.engine
        try:
            ServerRecord(
                directory=ServerDir(Path(server.plan.container.labels[INSTANCE_LABEL])),
                engine=EngineIdentity(kind=engine.kind, url=engine.url, rootless=engine.rootless),
                oci_runtimes=self.oci_runtimes,
                container=server.container,
                name=server.name,
                asked=asked,
                plan=server.plan.container.labels[PLAN_LABEL],
            ).write()
        except (EngineError, OSError) as exc:
            _log.info("could not write down where %s is: %s", server.name, exc)

    def _attach(self, undo: ExitStack) -> ModelServer | None:
        from ramalama.serving.lookup import find_by_plan  # noqa: PLC0415 (see above)

        engine, run_dir = self.launcher.engine, self.launcher.run_dir
        image = self._look_up_image()
        if image is None:
            return None  # so nothing runs with it
        # As it was asked for, before it was made to fit: a server that is there takes up memory
        # that a second one would not have.
        for inputs in self._acceptable(replace(self.inputs, image=image)):
            digest = self.launcher.digest(inputs)
            for found in find_by_plan(engine, run_dir, digest):
                if self._may_use(found) and (server := self._join(inputs, found, digest, undo)):
                    return server
        return None

    def _join(
        self, inputs: PlanInputs, found: RunningServer, digest: str, undo: ExitStack
    ) -> ModelServer | None:
        plan = self.launcher.plan_found(inputs, found, digest=digest)
        keep_alive = self.terms.keep_alive or 0.0
        return self.launcher.attach(plan, found, undo, keep_alive=keep_alive)

    def _look_up_image(self) -> LocalImage | None:
        if self.inputs.options.pull_policy in (PullPolicy.ALWAYS, PullPolicy.NEWER):
            return self._fetch()
        return self.launcher.engine.image(self.inputs.image_name)

    def _acceptable(self, inputs: PlanInputs) -> Iterator[PlanInputs]:
        """Yield the servers that would do, the one that was asked for first."""
        yield inputs
        if inputs.options.parallel == 1:
            # A server that answers several at the same time has time for one.
            yield replace(inputs, options=replace(inputs.options, parallel=None))

    def _may_use(self, found: RunningServer) -> bool:
        """Tell whether a server asks for the key that its clients have been given, if they were."""
        key = self.inputs.options.api_key
        return key is None or (
            isinstance(found.endpoint, TcpEndpoint) and found.endpoint.api_key == key
        )

    def _fetch(self) -> LocalImage:
        name = self.inputs.image_name
        request = ImageRequest.of(name, self.inputs.options)
        image = fetch_image(self.launcher.engine, self.user, request, on_event=self.terms.tell)
        self.terms.tell(ImageReady(name))
        return image
