"""Start models, find them, stop them: what the command line and embedders stand on."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ramalama.config import Config
from ramalama.engine_errors import engine_errors
from ramalama.errors import EngineFailure, OptionRefused
from ramalama.events import EngineConnected, ImageReady, ignore
from ramalama.fitting import Room, fit
from ramalama.free_memory import available_memory
from ramalama.images import ImageRequest, fetch_image, name_of_image, parse_image
from ramalama.launch import Launcher
from ramalama.models import Models
from ramalama.options import PullOptions
from ramalama.orphans import remove_orphaned
from ramalama.planning import LABEL, check_options
from ramalama.rundir import default_run_dir
from ramalama.runtimes import find_runtime
from ramalama.store.models import StoredModel
from ramalama_accel.base import AcceleratorKind, InvalidVisibleDevices
from ramalama_accel.detection import detect
from ramalama_accel.host import Host
from ramalama_accel.host import User as HostUser
from ramalama_engines import (
    ContainerNotFound,
    EngineChoice,
    User,
    connect,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from ramalama.events import EventHook
    from ramalama.options import ModelFormat, ServeOptions
    from ramalama.planning import LaunchPlan
    from ramalama.reference import ModelRef
    from ramalama.server import ModelServer
    from ramalama_accel.base import Accelerator, Detection
    from ramalama_engines import Connection, ContainerState, Engine

READY_TIMEOUT = 600.0
"""Seconds that a model may take to load; a large one from a slow disk takes minutes."""


class Ramalama:
    """Models in containers, on one engine; share one per process, and close it in the end.

    Nothing is asked of the engine before it is needed. Every method blocks, and may be called from
    any thread.

    Attributes:
        config: settings of this host; the defaults if none are given.
        user: whose engine, credentials and directories; the invoking user if none is given.
        models: those of this machine, and those that can be had.
        run_dir: where the sockets and keys of running servers are.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        engine: Engine | None = None,
        host: Host | None = None,
        user: User | None = None,
        run_dir: Path | None = None,
    ) -> None:
        self.config = config or Config()
        self.user = user or User(env=os.environ, home=Path.home(), uid=os.getuid())
        self._engine = engine
        self._opening = threading.Lock()
        self._source = "given by the caller"
        self._host = host or Host(env=self.user.env)
        self.models = Models(self.config, self.user)
        self.run_dir = run_dir or default_run_dir(self.user.env, uid=self.user.uid)

    def connect(self) -> Engine:
        """Return the engine, found and opened at the first call.

        Raises:
            EngineFailure: none answers; the message says what was tried.
        """
        with self._opening:
            if self._engine is None:
                with engine_errors():
                    connection = self._open()
                self._engine = connection.engine
                self._source = connection.candidate.source
            return self._engine

    @property
    def engine_source(self) -> str:
        """Say why it is this engine, once `connect` has been called."""
        return self._source

    def detect(self) -> Detection:
        """Look what accelerator this host has."""
        return detect(self._host)

    def room(self) -> Room:
        """Look how much memory a model could have on this host."""
        return Room.of(available_memory(self._host.root), self.detect().accelerator)

    def start(
        self,
        options: ServeOptions,
        *,
        ready_timeout: float | None = READY_TIMEOUT,
        on_event: EventHook = ignore,
    ) -> ModelServer:
        """Start a server and wait until it answers; whoever calls closes it.

        *ready_timeout* in seconds; None waits as long as the server lives. On any failure, and on
        Ctrl-C, everything is undone before the exception leaves.

        A model that is not on this machine is pulled first.

        Raises:
            OptionRefused: the options contradict each other.
            ModelError: the model is missing, cannot be had, is too large, or is none.
            StoreError: the directory of the models cannot be used.
            EngineFailure: the engine is not there, or refuses.
            ServerExited: the server ended while it loaded the model.
            ServerNotReady: *ready_timeout* passed.
        """
        with ExitStack() as undo:
            server = self._start(options, undo, ready_timeout, on_event)
            undo.pop_all()
            return server

    @contextmanager
    def serve(
        self,
        options: ServeOptions,
        *,
        ready_timeout: float | None = READY_TIMEOUT,
        on_event: EventHook = ignore,
    ) -> Generator[ModelServer]:
        """Serve a model for the length of a block; see `start`."""
        with ExitStack() as undo:
            yield self._start(options, undo, ready_timeout, on_event)

    def plan(self, options: ServeOptions, *, model: StoredModel | None = None) -> LaunchPlan:
        """Say what `start` would tell the engine; nothing is pulled, started or written.

        *model* stands in for the one that *options* name, where that is not to be looked for.

        Raises:
            OptionRefused, ModelError, EngineFailure: as in `start`.
        """
        check_options(options)
        runtime = find_runtime(options.runtime)
        model = model or self.models.find(options.model) or _not_pulled_yet(options.model)
        runtime.check(model)
        engine = self.connect()
        accelerator = self.accelerator(options)
        with engine_errors():
            name = name_of_image(self.config, options.image, accelerator.kind, options.runtime)
            parse_image(name)
            launcher = Launcher(engine, runtime, self.run_dir)
            image = engine.image(name)
            return launcher.plan(options, model, accelerator, image_name=name, image=image)

    def servers(self) -> Sequence[ContainerState]:
        """List the model servers on the engine, whoever started them, newest first."""
        with engine_errors():
            states = self.connect().list({LABEL: ""})
        return sorted(states, key=lambda state: str(state.created or ""), reverse=True)

    def find(self, name: str) -> ContainerState:
        """Find a model server by its name, or by the beginning of its ID.

        Raises:
            EngineFailure: there is none; other containers are none of our business.
            OptionRefused: it is the beginning of several IDs.
        """
        states = self.servers()
        named = [state for state in states if state.name == name]
        found = named or [state for state in states if name and state.id.startswith(name)]
        if len(found) == 1:
            return found[0]
        if found:
            msg = f"{name!r} is the beginning of {len(found)} model servers' IDs; give more of it"
            raise OptionRefused(msg)
        msg = f"there is no model server {name!r}; `ramalama ps` lists those that are there"
        raise EngineFailure(ContainerNotFound(msg, engine=self.connect().kind))

    def stop(self, name: str) -> None:
        """Stop a model server and remove its container.

        Raises:
            EngineFailure: there is none of that name.
        """
        state = self.find(name)
        with engine_errors():
            self.connect().remove(state.id, force=True)

    def logs(self, name: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        """Yield a model server's log line by line; see `Engine.logs`."""
        state = self.find(name)
        with engine_errors():
            yield from self.connect().logs(state.id, follow=follow, tail=tail)

    def remove_orphans(self) -> int:
        """Remove what dead owners left, and say how many containers that were."""
        return remove_orphaned(self.connect(), self.run_dir)

    def close(self) -> None:
        """Give the connection to the engine back."""
        if self._engine is not None:
            self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def accelerator(self, options: ServeOptions) -> Accelerator:
        """Detect what a server with these *options* would compute on.

        Raises:
            OptionRefused: a ``*_VISIBLE_DEVICES`` of the user's makes no sense on this host.
        """
        try:
            return self.detect_for(options).require()
        except InvalidVisibleDevices as exc:
            raise OptionRefused(str(exc)) from exc

    def detect_for(self, options: ServeOptions) -> Detection:
        """Look what accelerator a server with these *options* would have, on this engine."""
        host = self._host
        if not self.connect().rootless:
            # The engine opens the nodes, and gives the container the groups that they need.
            host = replace(host, user=HostUser(uid=0, gids=frozenset()))
        detection = detect(host)
        nvidia = any(finding.kind is AcceleratorKind.CUDA for finding in detection.findings)
        if nvidia and options.oci_runtime is None:
            # Asking the engine takes a while, so only those with such a card do.
            with engine_errors():
                runtimes = self.connect().info.oci_runtimes
            detection = detect(replace(host, oci_runtimes=runtimes))
        return detection

    def _start(
        self,
        options: ServeOptions,
        undo: ExitStack,
        ready_timeout: float | None,
        on_event: EventHook,
    ) -> ModelServer:
        check_options(options)
        runtime = find_runtime(options.runtime)
        model = self.models.find(options.model, on_event=on_event)
        if model is None:
            model = self._pull(options, runtime.format, on_event)
        runtime.check(model)
        engine = self.connect()
        on_event(EngineConnected(engine.kind, engine.url))
        accelerator = self.accelerator(options)
        room = Room.of(available_memory(self._host.root), accelerator)
        options = fit(options, model, room, on_event=on_event)
        with engine_errors():
            name = name_of_image(self.config, options.image, accelerator.kind, options.runtime)
            image = fetch_image(
                engine, self.user, ImageRequest.of(name, options), on_event=on_event
            )
            on_event(ImageReady(name))
            launcher = Launcher(engine, runtime, self.run_dir, on_event=on_event)
            plan = launcher.plan(options, model, accelerator, image_name=name, image=image)
            return launcher.launch(plan, undo, ready_timeout=ready_timeout)

    def _pull(self, options: ServeOptions, wanted: ModelFormat, on_event: EventHook) -> StoredModel:
        how = PullOptions(wanted=wanted, authfile=options.authfile, tls_verify=options.tls_verify)
        room = None if options.force else self.room()
        return self.models.pull(options.model, how, room=room, on_event=on_event)

    def _open(self) -> Connection:
        kind = self.config.engine
        choice = None
        if kind is not None:
            choice = EngineChoice(kind=kind, source=self.config.source("engine"))
        return connect(self.user, choice=choice)


def _not_pulled_yet(reference: ModelRef) -> StoredModel:
    """Stand in for a model that a plan alone is no reason to fetch."""
    return StoredModel(reference=reference, weights=(Path("/path/to/model"),))
