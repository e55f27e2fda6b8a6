"""A running model server: its endpoint, its clients and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ramalama.config.options import check_seconds
from ramalama.errors import OptionRefused, ServerExited, engine_errors
from ramalama.serving import health
from ramalama.serving.health import probe, wait_until_ready
from ramalama.serving.served_model import ServedModel
from ramalama.serving.usage import FOR_EVER

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from contextlib import ExitStack

    from ramalama.planning.plan import LaunchPlan
    from ramalama.serving.container import Watch
    from ramalama.serving.exit_report import ExitReporter
    from ramalama.serving.handle import ServerHandle
    from ramalama.serving.request import StartRequest
    from ramalama.serving.restarts import Restarts
    from ramalama.serving.served_model import Opening
    from ramalama.serving.supervisor import Supervisor
    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_chat.errors import ServerGone
    from ramalama_chat.session.knowledge import Knowledge
    from ramalama_chat.session.session import BaseSession


class ModelServer(ServedModel):
    """A container that serves one model; a context manager that calls `close` or `aclose`.

    `close` stops and removes the server, unless other processes use it or it is kept alive; if the
    engine does not answer, it raises EngineFailure, and the next command removes the server. See
    `ServedModel` for what it has in common with a server that runs elsewhere.

    Attributes:
        plan: the plan of the server; for a server that was found by its name, what its labels
            contain.
        knowledge: documents that are searched for each question of a `chat`; None for none.
        forwarded_to: the host to which this process forwards the endpoint, which ends with this
            process; "" if the endpoint is the server's own.
    """

    def __init__(
        self,
        plan: LaunchPlan,
        endpoint: Endpoint,
        *,
        handle: ServerHandle | None,
        watch: Watch,
        exit_reporter: ExitReporter,
    ) -> None:
        super().__init__(endpoint, model=plan.alias)
        self.plan = plan
        self._listens_at = endpoint
        self.forwarded_to = ""
        self.knowledge: Knowledge | None = None
        self._handle = handle
        self._watch = watch
        self._exit_reporter: ExitReporter | Supervisor = exit_reporter
        self._supervisor: Supervisor | None = None
        self._why_ended: ServerExited | None = None

    @property
    def endpoint(self) -> Endpoint:
        """The address where the server listens."""
        return self._listens_at

    @property
    def name(self) -> str:
        """The name of the container."""
        return self.plan.container.name or ""

    @property
    def container(self) -> str:
        """The ID of the container."""
        return self._exit_reporter.container

    @property
    def running(self) -> bool:
        """Whether the container still runs, or is being started again.

        A process that was forked meanwhile asks the engine.
        """
        return not self._watch.ended

    @property
    def restarts(self) -> int:
        """How often the server has died and was started again; see `Ramalama.start`."""
        return 0 if self._supervisor is None else self._supervisor.restarts

    def supervise(self, policy: Restarts, request: StartRequest, reporter: ExitReporter) -> None:
        """Start the server again by *policy* when it dies, until it is closed."""
        from dataclasses import replace  # noqa: PLC0415 (rarely asked for)

        from ramalama.serving.restart_in_place import ServerInPlace  # noqa: PLC0415 (likewise)
        from ramalama.serving.supervisor import Supervisor  # noqa: PLC0415 (likewise)

        if self._handle is None:
            return
        named = zip(self.plan.companions, reporter.companions, strict=True)
        in_place = ServerInPlace(
            container=self.container,
            connect=reporter.connect,
            handle=self._handle,
            plan=self.plan,
            companions=tuple(replace(spec, name=name) for spec, name in named),
            endpoint=self.endpoint,
            forwarded=bool(self.forwarded_to),
            ready_timeout=request.ready_timeout,
        )
        self._supervisor = Supervisor(in_place, policy, reporter, request.on_event)
        self._watch = self._exit_reporter = self._supervisor

    def keep_by(self, keep: Callable[[ServerHandle], None]) -> None:
        """Pass the handle to *keep* when the server is closed and still runs, kept alive."""
        if self._handle is not None:
            self._handle.on_kept = keep

    def lend(self, knowledge: Knowledge, closing: ExitStack) -> None:
        """Search *knowledge* for each question of a `chat`; the end of the server closes it."""
        self.knowledge = knowledge
        self.also_close(closing)

    def wait_until_ready(
        self, *, timeout: float | None, cancel: threading.Event | None = None
    ) -> None:
        """Block until the model is loaded; *timeout* is in seconds, None waits without limit.

        Raises:
            ServerExited: the server ended before that.
            StartCancelled: another thread set *cancel*.
            TimeoutError: the time is over, and the model is still being loaded.
        """
        path = self._health_path
        if not wait_until_ready(self.endpoint, path, self._watch, timeout=timeout, cancel=cancel):
            raise self._exit_reporter.report()

    def answers(self, *, cancel: threading.Event | None = None) -> bool:
        """Return whether the server of another process answers; wait while it loads its model.

        Raises:
            StartCancelled: another thread set *cancel*.
        """
        path = self._health_path
        match probe(self.endpoint, path, cancel=cancel):
            case health.READY:
                return True
            case health.LOADING:
                return wait_until_ready(
                    self.endpoint, path, self._watch, timeout=None, cancel=cancel
                )
            case _:
                return False

    def detach(self, *, keep_alive: float = FOR_EVER) -> None:
        """Keep the server after `close`, for *keep_alive* seconds after its last user.

        Other processes find it by its name (`Ramalama.attach`) or its plan (``reuse=True``). After
        that time, the `Ramalama` that was used here removes it, if it is still open; otherwise the
        next command or start of this user on the same engine does.

        Raises:
            ConfigError: the files by which other processes find it cannot be written.
            OptionRefused: another process has started the server and has not shared it; or it is
                closed; or *keep_alive* is not a number of seconds from 0.
        """
        check_seconds("keep_alive", keep_alive)
        if self._closed:
            msg = f"{self.name} is closed"
            raise OptionRefused(msg)
        if self._handle is None:
            msg = f"{self.name} belongs to the process that started it, which has not shared it"
            raise OptionRefused(msg)
        self._handle.share(keep_alive=keep_alive)

    def why_ended(self, *, timeout: float = 1.0) -> ServerExited | None:
        """Return why the server ended by itself; None if it still runs after *timeout* seconds.

        None, too, while it is being started again.

        It waits because a connection breaks a moment before the engine reports the end. A process
        that was forked meanwhile asks the engine, too. After `close`, it is what was found before.
        """
        if self._closed:
            return self._why_ended
        if not self._watch.wait(timeout):
            return None
        self._why_ended = self._exit_reporter.report()
        return self._why_ended

    def explain(self, gone: ServerGone) -> Exception:
        """Return the error to show for a request that failed because the server was *gone*."""
        if ended := self.why_ended():
            return ended
        if not self.forwarded_to:
            return gone
        msg = f"the connection to {self.forwarded_to} was lost: {gone}"
        return type(gone)(msg, hint="repeat the command")

    def _opening(self, system: str | None) -> Opening:
        model = self.plan.model
        return {
            "system": model.system if system is None else system,
            "opening": model.messages,
            "stop": _texts(model.parameters.get("stop")),
        }

    def _prepare(self, session: BaseSession) -> None:
        session.repeats = bool(self.forwarded_to)
        session.knowledge = self.knowledge

    @property
    def _health_path(self) -> str:
        return self.plan.server.health_path

    def _count_restarts(self) -> int | None:
        return self.restarts

    def _leave(self) -> None:
        with engine_errors():
            if self._handle is not None:
                self._handle.leave()  # a removal also ends the watch, at its next check

    def _describe(self) -> str:
        return f"{self.name}: {super()._describe()}"


def _texts(value: object) -> tuple[str, ...]:
    """Return one or several texts of a model's parameter as a tuple; ignore other values."""
    values = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
    return tuple(each for each in values if isinstance(each, str) and each)
