"""Find a running server that fits a request, by its record or on the engine, and attach to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama.planning.digest import server_digest
from ramalama.planning.labels import companion_names
from ramalama.planning.plan import make_plan, with_digest
from ramalama.serving.attach import Attachment
from ramalama.serving.lookup import RunningServer, find_by_digest
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from ramalama.planning.inputs import LaunchEnvironment, PlanInputs
    from ramalama.serving.record import ServerRecord
    from ramalama.serving.request import StartRequest
    from ramalama.serving.server import ModelServer
    from ramalama.serving.sides.side import EngineSide
    from ramalama_engines import Engine


@frozen()
class ServerSearch:
    """The search for a server on one engine.

    Attributes:
        inputs: the inputs of the plan, with the options before they are fitted to the memory: a
            server that already runs uses memory, so they would be fitted differently now.
        here: the environment of the plan.
        side: the host of the engine.
        engine: the address of the engine.
        connect: opens and returns the engine; called only when it is needed.
    """

    request: StartRequest
    inputs: PlanInputs
    here: LaunchEnvironment
    side: EngineSide
    engine: str
    connect: Callable[[], Engine]

    def among_recorded(
        self, records: Sequence[ServerRecord], undo: ExitStack
    ) -> ModelServer | None:
        """Attach to a recorded server that answers, without the engine; None if there is none."""
        for inputs in self._acceptable():
            asked = server_digest(inputs, self.here)
            for each in records:
                if each.asked == asked:
                    found = RunningServer(
                        container=each.container,
                        name=each.name,
                        directory=each.directory,
                        endpoint=UnixEndpoint(path=str(each.directory.socket)),
                        companions=companion_names(each.name, inputs.companions),
                    )
                    if server := self._attach(found, inputs, each.plan, undo):
                        return server
        return None

    def among_running(self, run_dir: Path, undo: ExitStack) -> ModelServer | None:
        """Attach to a server that runs on the engine and answers; None if there is none."""
        for inputs in self._acceptable():
            digest = server_digest(inputs, self.here)
            for found in find_by_digest(self.connect(), run_dir, digest):
                seen = found.seen_from(self.side, port=inputs.options.port)
                if self._may_use(seen) and (server := self._attach(seen, inputs, digest, undo)):
                    return server
        return None

    def _acceptable(self) -> Iterator[PlanInputs]:
        """Yield the inputs of all servers that fit the request, the requested one first."""
        inputs = self.inputs
        yield inputs
        if inputs.options.parallel == 1:
            # A server for several requests at a time can also be used for one.
            yield replace(inputs, options=replace(inputs.options, parallel=None))

    def _may_use(self, found: RunningServer) -> bool:
        """Return whether the server has the API key of the request; True if that has none."""
        key = self.inputs.options.api_key
        return key is None or (
            isinstance(found.endpoint, TcpEndpoint) and found.endpoint.api_key == key
        )

    def _attach(
        self, found: RunningServer, inputs: PlanInputs, digest: str, undo: ExitStack
    ) -> ModelServer | None:
        here = replace(self.here, instance=found.directory)
        plan = with_digest(make_plan(inputs, here), digest)
        plan = replace(
            plan, container=replace(plan.container, name=found.name), endpoint=found.endpoint
        )
        attachment = Attachment(found=found, engine=self.engine, connect=self.connect)
        return attachment.join(plan, self.request, undo)
