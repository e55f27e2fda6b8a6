"""Start, find and stop model servers: the main class of the library."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ramalama.config.config import Config, config_files
from ramalama.errors import EngineFailure, engine_errors
from ramalama.events import ignore
from ramalama.models.library import Models
from ramalama.planning.labels import API_LABEL
from ramalama.serving.accelerator import FoundAccelerators, capacity_of, detect_on, required
from ramalama.serving.cleanup import remove_files, remove_orphaned, remove_shared
from ramalama.serving.engines import EngineProvider
from ramalama.serving.request import StartRequest
from ramalama.serving.run_dir import default_run_dir
from ramalama.serving.sides.find import side_of
from ramalama.serving.sides.side import HERE
from ramalama.serving.start import ServerStarter
from ramalama.serving.usage import any_shared
from ramalama_accel.detection import detect
from ramalama_accel.host import Host
from ramalama_engines.kinds import PullPolicy
from ramalama_engines.user import InvokingUser

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterator, Sequence
    from contextlib import AbstractContextManager
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
    from ramalama.rag.embedding_server import EmbedderAccess
    from ramalama.rag.sources import SourceAccess
    from ramalama.rag.values import Embedder
    from ramalama.serving.server import ModelServer
    from ramalama.serving.sides.copies import ModelCopy
    from ramalama_accel.values import Accelerator, Detection
    from ramalama_chat.session.knowledge import Knowledge
    from ramalama_engines import ContainerState, Engine
    from ramalama_engines.discovery.connection import Attempt
    from ramalama_engines.discovery.podman_machine import PodmanMachine

_log = logging.getLogger("ramalama")


class Ramalama:
    """Runs models in containers on one engine; use one object per process, and close it at the end.

    The engine is not contacted before it is needed. All methods block, and may be called from any
    thread. A process that is forked meanwhile may use it, too, but cleans up nothing.

    Attributes:
        config: the settings of this host; None reads those that the commands read, from the user's
            files and environment, see `Config.load`. `Config()` reads nothing.
        user: the user whose engine, credentials and directories are used; None takes the invoking
            user.
        models: the models of this machine, and those that can be pulled.
        run_dir: the directory of the sockets and API keys of running servers.
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
        self.user = user or InvokingUser(env=os.environ, home=Path.home(), uid=os.getuid())
        self.config = _settings_of(self.user) if config is None else config
        self._host = host or Host(env=self.user.env)
        self.models = Models(self.config, self.user)
        self.run_dir = run_dir or default_run_dir(self.user.env, uid=self.user.uid)
        self._engines = EngineProvider(self.config, self.user, engine, run_dir=self.run_dir)
        self._starter = ServerStarter(
            config=self.config,
            user=self.user,
            host=self._host,
            models=self.models,
            run_dir=self.run_dir,
            engines=self._engines,
        )

    def connect(self) -> Engine:
        """Return the engine; the first call finds and opens it.

        Raises:
            EngineFailure: no engine answers; the message lists the addresses that were tried.
        """
        return self._engines.connect()

    @property
    def remote_engine(self) -> str | None:
        """The address of the engine if the settings name one on another host; nothing is asked.

        None after `connect`.

        Raises:
            EngineFailure: the settings of the engines cannot be read.
        """
        remote = self._engines.remote()
        return None if remote is None else remote.url

    @property
    def engine_source(self) -> str:
        """Why this engine was chosen; valid after `connect`."""
        return self._engines.source

    @property
    def machine(self) -> PodmanMachine | None:
        """The virtual machine of podman in which the engine runs; valid after `connect`."""
        return self._engines.machine

    @property
    def engine_attempts(self) -> Sequence[Attempt]:
        """What `connect` has tried, in this order, up to the engine that it has found."""
        return self._engines.attempts

    def detect(self) -> Detection:
        """Detect the accelerators of this host; an engine may be on another one."""
        return detect(self._host)

    def engine_accelerators(self) -> FoundAccelerators:
        """Detect the accelerators of the engine's host; of this one if no engine answers."""
        try:
            side = side_of(self.connect(), self.run_dir)
        except EngineFailure:
            side = HERE
        with engine_errors():
            return FoundAccelerators.on(side, self._host)

    def engine_host(self) -> Host | None:
        """Return the engine's host, as far as it is known; None if it is this one."""
        with engine_errors():
            side = side_of(self.connect(), self.run_dir)
            host = side.accelerated(self._host)
        return None if host is self._host else host

    def look_at_engine(self, image: str) -> None:
        """Look at the engine's host with containers of a local *image*, unless it is known.

        Raises:
            EngineFailure: the engine does not answer.
        """
        with engine_errors():
            side_of(self.connect(), self.run_dir).settle(lambda: image)

    def memory_capacity(self, options: ServeOptions | None = None) -> MemoryCapacity:
        """Return how much memory a model can use on this host, if it is served with *options*."""
        return capacity_of(HERE, self._host, options)

    def start(self, options: ServeOptions, **how: Unpack[StartKeywords]) -> ModelServer:
        """Start a server and wait until it answers; the caller must close it.

        A model that is not on this machine is pulled first. After an error or Ctrl-C, everything is
        undone before the exception is raised. *how*, with the defaults:

        * reuse (False): use a running server of this user with the same plan, if there is one. If
          not, other processes can reuse the new server in the same way.
        * keep_alive (None): let other processes use the server, and keep it this many seconds after
          its last user; see `ModelServer.detach`.
        * ready_timeout (600): seconds to wait; None waits as long as the server runs.
        * on_event: a function that is called with each event; see `ramalama.events`.
        * cancel: an Event; another thread cancels the start by setting it.
        * restart (None): `Restarts`, which say how often the server is started again if it dies by
          itself. Its socket or port stays, so clients find it again; *on_event* is called in a
          thread, with `ServerDied` and `ServerRestarted`.

        Raises:
            OptionRefused: the options contradict each other.
            ModelError: the model does not exist, cannot be pulled, is too large, or is invalid.
            StoreError: the directory of the models cannot be used.
            EngineFailure: no engine answers, or the engine reports an error.
            ServerExited: the server ended while it loaded the model.
            ServerNotReady: the server was not ready within *ready_timeout*.
            StartCancelled: *cancel* was set.
        """
        with ExitStack() as undo:
            server = self._start(StartRequest(options=options, **how), undo)
            undo.pop_all()
            return server

    @contextmanager
    def serve(self, options: ServeOptions, **how: Unpack[StartKeywords]) -> Generator[ModelServer]:
        """Serve a model for the length of a block; see `start`."""
        with ExitStack() as undo:
            yield self._start(StartRequest(options=options, **how), undo)

    def _start(self, request: StartRequest, undo: ExitStack) -> ModelServer:
        named = request.options.rag
        if named is None:
            return self._starter.start(request, undo)
        from dataclasses import replace  # noqa: PLC0415 (only with documents)

        from ramalama.api.documents import one_at_a_time  # noqa: PLC0415 (likewise)
        from ramalama.planning.checks import check_options  # noqa: PLC0415 (likewise)
        from ramalama.rag.sources import open_knowledge  # noqa: PLC0415 (likewise)

        check_options(request.options)  # before documents are indexed
        request = replace(request, on_event=one_at_a_time(request.on_event))
        with ExitStack() as opened:
            # First, so that a name that leads nowhere starts nothing.
            access = self._source_access(request.options, request.on_event, request.cancel)
            knowledge = open_knowledge(str(named), access, opened)
            server = self._starter.start(request, undo)
            server.lend(knowledge, opened.pop_all())
        return server

    @contextmanager
    def documents(self, named: str | Path, *, on_event: EventHook = ignore) -> Generator[Knowledge]:
        """Open documents to search, for the length of a block; *named* is as in `ServeOptions.rag`.

        Give the result to the `knowledge` of a `ChatSession` with any server. Of a server that was
        started with ``rag``, every `ModelServer.chat` has it already.

        Raises:
            RagError: there is no such file, or it is no index; an index could not be made.
            EngineFailure: the engine has failed while it read an image.
        """
        from ramalama.rag.sources import open_knowledge  # noqa: PLC0415 (only with documents)

        name = os.path.join(os.curdir, named) if isinstance(named, Path) else named  # noqa: PTH118
        with ExitStack() as opened:
            yield open_knowledge(name, self._source_access(None, on_event), opened)

    def _source_access(
        self,
        options: ServeOptions | None,
        on_event: EventHook,
        cancel: threading.Event | None = None,
    ) -> SourceAccess:
        """Return what opens documents; *options* say how an image with an index is pulled."""
        from ramalama.api.documents import Documents  # noqa: PLC0415 (only with documents)

        def read_image(name: str) -> Path:
            if options is None:
                return self.read_index(name, on_event=on_event)
            return self.read_index(
                name,
                pull_policy=options.pull_policy,
                authfile=options.authfile,
                tls_verify=options.tls_verify,
                on_event=on_event,
            )

        return Documents(
            config=self.config,
            user=self.user,
            read_image=read_image,
            embedder_access=lambda hook, called_off: self.embedder_access(
                on_event=hook, cancel=called_off or cancel
            ),
            on_event=on_event,
        ).access()

    @contextmanager
    def embedder(
        self,
        model: str | None = None,
        *,
        on_event: EventHook = ignore,
        cancel: threading.Event | None = None,
    ) -> Generator[Embedder | None]:
        """Open an embedding model, which turns texts into vectors, for the length of a block.

        Its server is shared with other processes of this user, and stays for five minutes after
        the last of them. None stands for the model that the settings name, else for
        nomic-embed-text. If that cannot be had, or the name is "none", there is no embedder.

        Raises:
            ModelError: the named model cannot be had, or makes no embeddings.
            EngineFailure, ServerError: it cannot be started.
            EmbeddingFailed: its server does not answer as it should.
        """
        from ramalama.rag.embedding_server import opened_embedder  # noqa: PLC0415 (rarely used)

        access = self.embedder_access(on_event=on_event, cancel=cancel)
        with opened_embedder(model or self.config.embedding_model, access) as opened:
            yield opened

    def embedder_access(
        self, *, on_event: EventHook = ignore, cancel: threading.Event | None = None
    ) -> EmbedderAccess:
        """Return what `ramalama.rag.embedding_server` needs; nothing is started yet."""
        from ramalama.rag.embedding_server import (  # noqa: PLC0415 (rarely used)
            KEEP_ALIVE,
            EmbedderAccess,
        )

        def serve(options: ServeOptions) -> AbstractContextManager[ModelServer]:
            return self.serve(
                options, reuse=True, keep_alive=KEEP_ALIVE, on_event=on_event, cancel=cancel
            )

        return EmbedderAccess(
            resolve=self.models.resolve,
            settings=self.config.server_settings(self.user.env),
            serve=serve,
            digest_of=self.models.digest_of,
            wanted=self.config.embedding_model,
            is_here=lambda reference: self.models.find(reference) is not None,
            on_event=on_event,
        )

    def read_index(
        self,
        image: str,
        *,
        pull_policy: PullPolicy = PullPolicy.MISSING,
        authfile: Path | None = None,
        tls_verify: bool = True,
        on_event: EventHook = ignore,
    ) -> Path:
        """Return a copy of the index of documents in an OCI image, which is pulled if necessary.

        The copy is in the user's cache; it is made once for each image.

        Raises:
            InvalidReference: *image* is not a reference.
            RagError: the image has no index, or the copy cannot be kept.
            EngineFailure: no engine answers, or it does not have the image.
        """
        from ramalama.rag.cache import cache_directory  # noqa: PLC0415 (only with documents)
        from ramalama.rag.images import read_index  # noqa: PLC0415 (likewise)
        from ramalama.serving.images import ImageRequest, fetch_image  # noqa: PLC0415 (likewise)

        request = ImageRequest(
            name=image, pull_policy=pull_policy, authfile=authfile, tls_verify=tls_verify
        )
        with engine_errors():
            engine = self.connect()
            local = fetch_image(engine, self.user, request, on_event=on_event)
            return read_index(engine, local, cache_directory(self.user))

    @property
    def may_reuse(self) -> bool:
        """Whether this user has recorded shared servers, which may no longer run."""
        return any_shared(self.run_dir)

    def attach(self, name: str) -> ModelServer:
        """Use a server that another process of this user has started; the caller must close it.

        *name* is the name of the container, or the beginning of its ID. A shared server runs at
        least until it is closed here. Any other server ends when its own process closes it.

        Raises:
            EngineFailure: no server has this name.
            OptionRefused: the server does not run, or another user has started it.
        """
        from ramalama.serving.attach import attach_by_name  # noqa: PLC0415 (rarely used)

        with engine_errors():
            server = attach_by_name(self.connect(), self.run_dir, self.models, name)
        server.keep_by(self._engines.keep)
        return server

    def plan(self, options: ServeOptions, *, model: StoredModel | None = None) -> LaunchPlan:
        """Return the plan that `start` would carry out; nothing is pulled, started or written.

        *model* replaces the model in *options*, which is then not looked up.

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
        """Download the current version of a model to this machine; see `Models.pull`."""
        reference = self.models.resolve(model) if isinstance(model, str) else model
        return self.models.pull(reference, options, on_event=on_event)

    def list(self) -> Sequence[ListedModel]:
        """Return the models of this machine, including partial downloads."""
        return self.models.list()

    def servers(self) -> Sequence[ContainerState]:
        """Return all model servers on the engine, of any user, newest first."""
        from ramalama.serving.lookup import list_servers  # noqa: PLC0415 (not for a start)

        with engine_errors():
            return list_servers(self.connect())

    def find(self, name: str) -> ContainerState:
        """Return the model server with the name *name*, or whose container ID begins with it.

        Raises:
            EngineFailure: there is no such server; containers that are no model servers do not
                count.
            OptionRefused: several IDs begin with *name*.
        """
        from ramalama.serving.lookup import find_server  # noqa: PLC0415 (see above)

        with engine_errors():
            return find_server(self.connect(), name)

    def address(self, state: ContainerState) -> str | None:
        """Return the address of a server; None if it does not run or belongs to another user.

        For a server behind `ramalama serve --rag` it is the address at which that command listens.
        """
        from ramalama.serving.fronts import read_front  # noqa: PLC0415 (see above)
        from ramalama.serving.lookup import locate  # noqa: PLC0415 (see above)

        with engine_errors():
            found = locate(self.connect(), state, self.run_dir)
            if found is None:
                return None
            if (front := read_front(found.directory)) is not None:
                return front
            side = side_of(self.connect(), self.run_dir)
        return side.describe(found.endpoint, found.directory)

    def stop(self, name: str) -> None:
        """Stop a model server and remove its container, even if other processes use it.

        Raises:
            EngineFailure: no server has this name.
        """
        from ramalama.serving.lookup import directory_of  # noqa: PLC0415 (see above)

        state = self.find(name)
        directory = directory_of(state, self.run_dir)
        with engine_errors():
            if state.labels.get(API_LABEL):
                from ramalama.serving.companions import (  # noqa: PLC0415 (rarely needed)
                    companions_of,
                )

                for each in companions_of(self.connect(), state):
                    self.connect().remove(each.id, force=True)
            self.connect().remove(state.id, force=True)
            if directory is not None:
                remove_shared(self.connect(), directory)
            else:
                remove_files(self.connect(), state, self.run_dir)

    def logs(self, name: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        """Yield the log of a server, or of a container beside it, by lines; see `Engine.logs`."""
        from ramalama.serving.lookup import find_server  # noqa: PLC0415 (see above)

        with engine_errors():
            state = find_server(self.connect(), name, companions=True)
            yield from self.connect().logs(state.id, follow=follow, tail=tail)

    def memory(self, state: ContainerState) -> int | None:
        """Return the bytes of memory that a server uses, with the containers beside it.

        None if it does not run, or the engine does not say.
        """
        from ramalama.serving.companions import companions_of  # noqa: PLC0415 (see above)

        engine = self.connect()
        with engine_errors():
            beside = companions_of(engine, state)
            used = [engine.memory(each.id) for each in (state, *beside)]
        counted = [each for each in used if each is not None]
        return sum(counted) if counted else None

    def remove_orphans(self) -> int:
        """Remove containers left behind by processes that have ended, and return their number."""
        return remove_orphaned(self.connect(), self.run_dir)

    def copies(self) -> Sequence[ModelCopy]:
        """Return the copies of models on the engine's host; none if that is this one.

        Raises:
            EngineFailure: no engine answers, or its host does not.
        """
        with engine_errors():
            return side_of(self.connect(), self.run_dir).copies()

    def remove_copies(self, *, dry_run: bool = False) -> Sequence[ModelCopy]:
        """Remove the `copies` that no server uses, and return them; with *dry_run*, remove none.

        Raises:
            EngineFailure: no engine answers, or its host does not.
        """
        from ramalama.serving.sides.copies import (  # noqa: PLC0415 (rarely used)
            remove_unused,
            unused_copies,
        )

        engine = self.connect()
        with engine_errors():
            side = side_of(engine, self.run_dir)
            if dry_run:
                return unused_copies(engine, side.copies())
            remove_orphaned(engine, self.run_dir)  # containers of killed processes have volumes
            return remove_unused(engine, side.copies(), side.remove_copy)

    def close(self) -> None:
        """Close the connections to engines."""
        self._engines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def accelerator(self, options: ServeOptions) -> Accelerator:
        """Return the accelerator that a server with *options* would use.

        Raises:
            OptionRefused: a ``*_VISIBLE_DEVICES`` variable of the user is invalid on this host.
        """
        return required(self.detect_for(options))

    def detect_for(self, options: ServeOptions) -> Detection:
        """Detect the accelerators for a server with *options* on this engine."""
        with engine_errors():
            side = side_of(self.connect(), self.run_dir).expected
            return detect_on(self.connect(), side.accelerated(self._host), options)


def _settings_of(user: InvokingUser) -> Config:
    config = Config.load(user.env, config_files(user.env, user.home))
    for warning in config.warnings:
        _log.warning("%s", warning)
    return config
