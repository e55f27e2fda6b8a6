"""Start models, find them, stop them: what the command line and embedders stand on."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ramalama.config.config import Config
from ramalama.errors import engine_errors
from ramalama.events import ignore
from ramalama.models.library import Models
from ramalama.serving.accelerator import capacity_of, detect_on, required
from ramalama.serving.cleanup import remove_orphaned, remove_shared
from ramalama.serving.engines import EngineProvider
from ramalama.serving.request import StartRequest
from ramalama.serving.run_dir import default_run_dir
from ramalama.serving.start import ServerStarter
from ramalama.serving.usage import any_shared
from ramalama_accel.detection import detect
from ramalama_accel.host import Host
from ramalama_engines import InvokingUser

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from typing import Unpack

    from ramalama.api.keywords import StartKeywords
    from ramalama.config.options import ServeOptions
    from ramalama.events import EventHook
    from ramalama.models.options import PullOptions
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.listing import ListedModel
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.planning.memory.capacity import MemoryCapacity
    from ramalama.planning.plan import LaunchPlan
    from ramalama.serving.server import ModelServer
    from ramalama_accel.values import Accelerator, Detection
    from ramalama_engines import ContainerState, Engine


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
        user: InvokingUser | None = None,
        run_dir: Path | None = None,
    ) -> None:
        self.config = config or Config()
        self.user = user or InvokingUser(env=os.environ, home=Path.home(), uid=os.getuid())
        self._host = host or Host(env=self.user.env)
        self.models = Models(self.config, self.user)
        self.run_dir = run_dir or default_run_dir(self.user.env, uid=self.user.uid)
        self._engines = EngineProvider(self.config, self.user, engine)
        self._starter = ServerStarter(
            config=self.config,
            user=self.user,
            host=self._host,
            models=self.models,
            run_dir=self.run_dir,
            engines=self._engines,
        )

    def connect(self) -> Engine:
        """Return the engine, found and opened at the first call.

        Raises:
            EngineFailure: none answers; the message says what was tried.
        """
        return self._engines.connect()

    @property
    def engine_source(self) -> str:
        """Say why it is this engine, once `connect` has been called."""
        return self._engines.source

    def detect(self) -> Detection:
        """Look what accelerator this host has."""
        return detect(self._host)

    def memory_capacity(self, options: ServeOptions | None = None) -> MemoryCapacity:
        """Look how much memory a model could have on this host, served with *options*."""
        return capacity_of(self._host, options)

    def start(self, options: ServeOptions, **how: Unpack[StartKeywords]) -> ModelServer:
        """Start a server and wait until it answers; whoever calls closes it.

        A model that is not on this machine is pulled first. On any failure, and on Ctrl-C,
        everything is undone before the exception leaves. *how*, each with its default:

        * reuse (False): use a server of this user that runs with the same plan, if there is one;
          the one that is started otherwise can be used by others in the same way.
        * keep_alive (None): let others use the server, and have it stay for so many seconds after
          its last user; see `ModelServer.detach`.
        * ready_timeout (600): seconds to wait; None waits as long as the server lives.
        * on_event: is told of each step.
        * cancel: an Event; set by another thread, it calls the start off.

        Raises:
            OptionRefused: the options contradict each other.
            ModelError: the model is missing, cannot be had, is too large, or is none.
            StoreError: the directory of the models cannot be used.
            EngineFailure: the engine is not there, or refuses.
            ServerExited: the server ended while it loaded the model.
            ServerNotReady: *ready_timeout* passed.
            StartCancelled: *cancel* was set.
        """
        with ExitStack() as undo:
            server = self._starter.start(StartRequest(options=options, **how), undo)
            undo.pop_all()
            return server

    @contextmanager
    def serve(self, options: ServeOptions, **how: Unpack[StartKeywords]) -> Generator[ModelServer]:
        """Serve a model for the length of a block; see `start`."""
        with ExitStack() as undo:
            yield self._starter.start(StartRequest(options=options, **how), undo)

    @property
    def may_reuse(self) -> bool:
        """Whether this user has any server that others may use, as far as its directory tells."""
        return any_shared(self.run_dir)

    def attach(self, name: str) -> ModelServer:
        """Use a server that this user has started in some other process; whoever calls closes it.

        *name* is that of the container, or the beginning of its ID. One that is shared stays at
        least until it is closed here, any other goes when its process is through with it.

        Raises:
            EngineFailure: there is none of that name.
            OptionRefused: it does not run, or cannot be reached from here.
        """
        from ramalama.serving.attach import attach_by_name  # noqa: PLC0415 (few come here)

        with engine_errors():
            return attach_by_name(self.connect(), self.run_dir, self.models, name)

    def plan(self, options: ServeOptions, *, model: StoredModel | None = None) -> LaunchPlan:
        """Say what `start` would tell the engine; nothing is pulled, started or written.

        *model* stands in for the one that *options* name, where that is not to be looked for.

        Raises:
            OptionRefused, ModelError, EngineFailure: as in `start`.
        """
        return self._starter.plan(options, model)

    def pull(
        self,
        model: str | ModelRef,
        options: PullOptions | None = None,
        *,
        on_event: EventHook = ignore,
    ) -> StoredModel:
        """Bring a model to this machine, as it is at its source now; see `Models.pull`."""
        reference = self.models.resolve(model) if isinstance(model, str) else model
        return self.models.pull(reference, options, on_event=on_event)

    def list(self) -> Sequence[ListedModel]:
        """List the models of this machine, half-pulled ones, too."""
        return self.models.list()

    def servers(self) -> Sequence[ContainerState]:
        """List the model servers on the engine, whoever started them, newest first."""
        from ramalama.serving.lookup import list_servers  # noqa: PLC0415 (no start needs them)

        with engine_errors():
            return list_servers(self.connect())

    def find(self, name: str) -> ContainerState:
        """Find a model server by its name, or by the beginning of its ID.

        Raises:
            EngineFailure: there is none; other containers are none of our business.
            OptionRefused: it is the beginning of several IDs.
        """
        from ramalama.serving.lookup import find_server  # noqa: PLC0415 (see above)

        with engine_errors():
            return find_server(self.connect(), name)

    def address(self, state: ContainerState) -> str | None:
        """Say where this user reaches a server: None if it does not run, or is another's."""
        from ramalama.serving.lookup import locate  # noqa: PLC0415 (see above)

        found = locate(state, self.run_dir)
        return None if found is None else str(found.endpoint)

    def stop(self, name: str) -> None:
        """Stop a model server and remove its container, whoever uses it.

        Raises:
            EngineFailure: there is none of that name.
        """
        from ramalama.serving.lookup import locate  # noqa: PLC0415 (see above)

        state = self.find(name)
        found = locate(state, self.run_dir)
        with engine_errors():
            self.connect().remove(state.id, force=True)
            if found is not None:
                remove_shared(self.connect(), found.directory)

    def logs(self, name: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        """Yield a model server's log line by line; see `Engine.logs`."""
        state = self.find(name)
        with engine_errors():
            yield from self.connect().logs(state.id, follow=follow, tail=tail)

    def remove_orphans(self) -> int:
        """Remove what dead owners left, and say how many containers that were."""
        return remove_orphaned(self.connect(), self.run_dir)

    def close(self) -> None:
        """Close the connections to engines."""
        self._engines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def accelerator(self, options: ServeOptions) -> Accelerator:
        """Detect what a server with these *options* would compute on.

        Raises:
            OptionRefused: a ``*_VISIBLE_DEVICES`` of the user's makes no sense on this host.
        """
        return required(self.detect_for(options))

    def detect_for(self, options: ServeOptions) -> Detection:
        """Look what accelerator a server with these *options* would have, on this engine."""
        with engine_errors():
            return detect_on(self.connect(), self._host, options)
