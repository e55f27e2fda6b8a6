"""The state of the library's main class, and how it starts a server."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

from ramalama.config.config import Config, config_files
from ramalama.config.options import ServeOptions
from ramalama.errors import OptionRefused
from ramalama.models.library import Models
from ramalama.serving.engines import EngineProvider
from ramalama.serving.request import StartRequest
from ramalama.serving.run_dir import default_run_dir
from ramalama.serving.start import ServerStarter
from ramalama.serving.usage import any_shared
from ramalama.value_types import FilePath, Instance, show
from ramalama_accel.host import Host
from ramalama_engines.user import InvokingUser

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import Unpack

    from ramalama.api.keywords import ServeKeywords, StartKeywords
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.planning.plan import LaunchPlan
    from ramalama.serving.server import ModelServer
    from ramalama.value_types import ValueType
    from ramalama_engines import Engine

_START_FIELDS = StartRequest.__dataclass_fields__.keys()
_log = logging.getLogger("ramalama")


class RamalamaBase:
    """The state of `Ramalama`, and how it starts a server; see `Ramalama`."""

    def __init__(
        self,
        config: Config | None = None,
        *,
        engine: Engine | None = None,
        host: Host | None = None,
        user: InvokingUser | None = None,
        run_dir: str | Path | None = None,
    ) -> None:
        _check(config=config, engine=engine, host=host, user=user, run_dir=run_dir)
        self.user = user or InvokingUser(env=os.environ, home=Path.home(), uid=os.getuid())
        self.config = _settings_of(self.user) if config is None else config
        self._host = host or Host(env=self.user.env)
        self.models = Models(self.config, self.user)
        self.run_dir = (
            default_run_dir(self.user.env, uid=self.user.uid) if run_dir is None else Path(run_dir)
        )
        self._engines = EngineProvider(self.config, self.user, engine, run_dir=self.run_dir)
        self._starter = ServerStarter(
            config=self.config,
            user=self.user,
            host=self._host,
            models=self.models,
            run_dir=self.run_dir,
            engines=self._engines,
        )

    @classmethod
    def from_env(
        cls, env: Mapping[str, str] | None = None, *, home: str | Path | None = None
    ) -> Self:
        """Make a handle with the settings of the commands: ramalama.conf and ``RAMALAMA_*``.

        `Ramalama()` reads the same. *env* and *home* replace the environment and the home directory
        of this process, also for the credentials, the engine and the model store.

        Raises:
            ConfigError: a setting is invalid.
        """
        user = InvokingUser(
            env=os.environ if env is None else env,
            home=Path.home() if home is None else Path(home),
            uid=os.getuid(),
        )
        return cls(user=user)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.config!r}, models in {str(self.models.base)!r}>"

    def connect(self) -> Engine:
        """Return the engine; the first call finds and opens it.

        Raises:
            EngineFailure: no engine answers; the message lists the addresses that were tried.
        """
        return self._engines.connect()

    @contextmanager
    def serve(
        self, model: str | Path | ModelRef | ServeOptions, **keywords: Unpack[ServeKeywords]
    ) -> Generator[ModelServer]:
        """Serve *model* for the length of a block; see `start`."""
        with ExitStack() as undo:
            yield self._start(self._request(model, keywords), undo)

    def start(
        self, model: str | Path | ModelRef | ServeOptions, **keywords: Unpack[ServeKeywords]
    ) -> ModelServer:
        """Start a server and wait until it answers; the caller must close it.

        *model* is a reference or a short name as on the command line, or the path of a file; the
        *keywords* are then the fields of `ServeOptions`, and these, with the defaults. What they do
        not say, the settings do. If *model* is a `ServeOptions`, it says everything, and the
        *keywords* are only these:

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

        A model that is not on this machine is pulled first. After an error or Ctrl-C, everything is
        undone before the exception is raised.

        Raises:
            OptionRefused: the options contradict each other.
            ModelError: the model does not exist, cannot be pulled, is too large, or is invalid.
            StoreError: the directory of the models cannot be used.
            EngineFailure: no engine answers, or the engine reports an error.
            ServerExited: the server ended while it loaded the model.
            ServerNotReady: the server was not ready within *ready_timeout*.
            StartCancelled: *cancel* was set.
            TypeError: a keyword is unknown.
        """
        with ExitStack() as undo:
            server = self._start(self._request(model, keywords), undo)
            undo.pop_all()
            return server

    def plan(self, options: ServeOptions, *, model: StoredModel | None = None) -> LaunchPlan:
        """Return the plan that `start` would carry out; nothing is pulled, started or written.

        *model* replaces the model in *options*, which is then not looked up.

        Raises:
            OptionRefused, ModelError, EngineFailure: as in `start`.
        """
        return self._starter.plan(options, model)

    @property
    def may_reuse(self) -> bool:
        """Whether this user has recorded shared servers, which may no longer run."""
        return any_shared(self.run_dir)

    def close(self) -> None:
        """Close the connections to engines."""
        self._engines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _request(
        self, model: str | Path | ModelRef | ServeOptions, keywords: ServeKeywords
    ) -> StartRequest:
        if isinstance(model, ServeOptions) and keywords.keys() <= _START_FIELDS:
            return StartRequest(options=model, **cast("StartKeywords", keywords))
        from ramalama.api.requests import make_request  # noqa: PLC0415 (not for the command line)

        settings = self.config.server_settings(self.user.env)
        settings["draft"] = self.config.model_draft
        return make_request(self.models, settings, model, keywords)

    def _start(self, request: StartRequest, undo: ExitStack) -> ModelServer:
        if request.options.rag is None:
            return self._starter.start(request, undo)
        return self._start_with_documents(request, undo)

    def _start_with_documents(self, request: StartRequest, undo: ExitStack) -> ModelServer:
        """Start a server whose chats search documents; `DocumentMethods` does so."""
        raise NotImplementedError


_ARGUMENTS: Mapping[str, ValueType] = {
    "config": Instance("ramalama.config.config", "Config", "a Config"),
    "host": Instance("ramalama_accel.host", "Host", "a Host of ramalama_accel"),
    "user": Instance(
        "ramalama_engines.user", "InvokingUser", "an InvokingUser of ramalama_engines"
    ),
    "run_dir": FilePath(),
}


def _check(**arguments: object) -> None:
    """Check the arguments of `Ramalama`; each may be None.

    Raises:
        OptionRefused: one has a wrong type.
    """
    if (engine := arguments.pop("engine")) is not None and not hasattr(engine, "create"):
        msg = f"engine is an open Engine of ramalama_engines, not {show(engine)}"
        raise OptionRefused(msg, hint="to choose one, use Config(engine=…) or Config(engine_url=…)")
    for name, value in arguments.items():
        try:
            if value is not None:
                _ARGUMENTS[name].check(value)
        except ValueError as exc:
            msg = f"{name} is {exc}, not {show(value)}"
            raise OptionRefused(msg) from None


def _settings_of(user: InvokingUser) -> Config:
    config = Config.load(user.env, config_files(user.env, user.home))
    for warning in config.warnings:
        _log.warning("%s", warning)
    return config
