"""How a start is gone about: attach to a server that is there, or launch one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama.events import ImageReady, Notice, ignore
from ramalama.fitting import fit
from ramalama.images import ImageRequest, fetch_image
from ramalama.planning import PLAN_LABEL
from ramalama.readiness import raise_if_set
from ramalama_chat.endpoint import TcpEndpoint
from ramalama_engines.kinds import PullPolicy
from ramalama_values import frozen

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from contextlib import ExitStack

    from ramalama.events import Event, EventHook
    from ramalama.finding import Found
    from ramalama.launch import Ingredients, Launcher
    from ramalama.planning import LaunchPlan
    from ramalama.room import Room
    from ramalama.server import ModelServer
    from ramalama_engines import LocalImage, User

READY_TIMEOUT = 600.0
"""Seconds that a model may take to load; a large one from a slow disk takes minutes."""


@frozen()
class Terms:
    """What makes no difference to the server itself; see `Ramalama.start`."""

    reuse: bool = False
    keep_alive: float | None = None
    ready_timeout: float | None = READY_TIMEOUT
    on_event: EventHook = ignore
    cancel: threading.Event | None = None

    @property
    def shares(self) -> bool:
        """Whether others may use what is started."""
        return self.reuse or self.keep_alive is not None

    def tell(self, event: Event) -> None:
        """Pass an event on, unless the start was called off."""
        raise_if_set(self.cancel)
        self.on_event(event)


@frozen(kw_only=False)
class Starter:
    """One start."""

    launcher: Launcher
    ingredients: Ingredients
    room: Room
    user: User
    terms: Terms

    def start(self, undo: ExitStack) -> ModelServer:
        """Return a server that answers; what closes it is in *undo* before it is there."""
        if not self.terms.reuse:
            return self._launch(undo)
        from ramalama.finding import starting  # noqa: PLC0415 (for reuse alone)

        waiting = Notice("waiting for another start of the same server")
        with starting(
            self.launcher.run_dir,
            _digest(self.launcher.common_plan(self.ingredients)),
            on_wait=lambda: self.terms.tell(waiting),
            cancel=self.terms.cancel,
        ):
            return self._attach(undo) or self._launch(undo)

    def _launch(self, undo: ExitStack) -> ModelServer:
        asked, terms = self.ingredients, self.terms
        options = fit(asked.options, asked.model, self.room, on_event=terms.tell)
        fitting = replace(asked, options=options, image=self._fetch())
        keep_alive = (terms.keep_alive or 0.0) if terms.shares else None
        return self.launcher.launch(
            self.launcher.plan(fitting, asked=asked.options),
            undo,
            ready_timeout=terms.ready_timeout,
            keep_alive=keep_alive,
        )

    def _attach(self, undo: ExitStack) -> ModelServer | None:
        from ramalama.finding import find_by_plan  # noqa: PLC0415 (see above)

        engine, run_dir = self.launcher.engine, self.launcher.run_dir
        for plan in self._plans():
            for found in find_by_plan(engine, run_dir, _digest(plan)):
                if self._may_use(found):
                    keep_alive = self.terms.keep_alive or 0.0
                    server = self.launcher.attach(plan, found, undo, keep_alive=keep_alive)
                    if server is not None:
                        return server
        return None

    def _plans(self) -> Iterator[LaunchPlan]:
        """Yield the plans that would do, the one that was asked for first.

        They are those of what was asked, before it was made to fit: a server that is there takes
        up memory that a second one would not have.
        """
        asked, options = self.ingredients, self.ingredients.options
        if options.pull_policy in (PullPolicy.ALWAYS, PullPolicy.NEWER):
            image: LocalImage | None = self._fetch()
        else:
            image = self.launcher.engine.image(asked.image_name)
        if image is None:
            return  # so nothing runs with it
        yield self.launcher.common_plan(replace(asked, image=image))
        if options.parallel == 1:
            # Whoever answers several at the same time has time for one.
            anyone = replace(options, parallel=None)
            yield self.launcher.common_plan(replace(asked, options=anyone, image=image))

    def _may_use(self, found: Found) -> bool:
        """Tell whether a server asks for the key that its clients have been given, if they were."""
        key = self.ingredients.options.api_key
        return key is None or (
            isinstance(found.endpoint, TcpEndpoint) and found.endpoint.api_key == key
        )

    def _fetch(self) -> LocalImage:
        name = self.ingredients.image_name
        request = ImageRequest.of(name, self.ingredients.options)
        image = fetch_image(self.launcher.engine, self.user, request, on_event=self.terms.tell)
        self.terms.tell(ImageReady(name))
        return image


def _digest(plan: LaunchPlan) -> str:
    return plan.container.labels[PLAN_LABEL]
