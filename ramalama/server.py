"""A model server that runs and answers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self, cast

from ramalama import readiness
from ramalama.engine_errors import engine_errors
from ramalama.errors import EngineFailure, OptionRefused, ServerExited
from ramalama.options import check_number
from ramalama.readiness import probe, wait_until_ready
from ramalama.sharing import FOR_EVER
from ramalama_engines.errors import ContainerNotFound, EngineError, EngineUnavailable
from ramalama_values import frozen

if TYPE_CHECKING:
    import openai

    from ramalama.planning import LaunchPlan
    from ramalama.readiness import ExitPoll, ExitWatch
    from ramalama.runtimes.base import Runtime
    from ramalama.tenancy import Tenancy
    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_chat.session.session import ChatSession
    from ramalama_engines.engine import Engine

LOG_TAIL = 40  # lines that a user may want to see
_LOG_TO_SEARCH = 2000  # lines; a cause is followed by the stacks of several processes
_KILLED = 137


class ModelServer:
    """A container that serves one model; a context manager that gives it up when left.

    May be used from any thread.

    Attributes:
        plan: what was started; of a server that was found by its name, what its labels tell.
        endpoint: where it listens.
    """

    def __init__(
        self,
        plan: LaunchPlan,
        endpoint: Endpoint,
        *,
        tenancy: Tenancy | None,
        watch: ExitWatch | ExitPoll,
        post_mortem: PostMortem,
    ) -> None:
        self.plan = plan
        self.endpoint = endpoint
        self._tenancy = tenancy
        self._watch = watch
        self._post_mortem = post_mortem
        self._opening = threading.Lock()
        self._client: openai.OpenAI | None = None
        self._async_client: openai.AsyncOpenAI | None = None

    @property
    def name(self) -> str:
        """The container's name."""
        return self.plan.container.name or ""

    @property
    def container(self) -> str:
        """The container's ID."""
        return self._post_mortem.container

    @property
    def model(self) -> str:
        """What requests call the model."""
        return self.plan.alias

    @property
    def running(self) -> bool:
        """Whether the container has not ended by itself."""
        return not self._watch.ended

    def client(self) -> openai.OpenAI:
        """Return an OpenAI client that is wired to this server, the same one every time."""
        with self._opening:
            if self._client is None:
                from ramalama_chat.client.client import (  # noqa: PLC0415 (slow to import)
                    open_client,
                )

                self._client = open_client(self.endpoint)
            return self._client

    def async_client(self) -> openai.AsyncOpenAI:
        """Return an asynchronous client for the event loop of whoever calls, the same every time.

        `aserve` closes it with the server; elsewhere its user does, with `close`.
        """
        with self._opening:
            if self._async_client is None:
                from ramalama_chat.client.client import (  # noqa: PLC0415 (see above)
                    open_async_client,
                )

                self._async_client = open_async_client(self.endpoint)
            return self._async_client

    def chat(self, *, system: str | None = None) -> ChatSession:
        """Begin a conversation; *system* stands in for the prompt that the model's author chose."""
        from ramalama_chat.session.session import (  # noqa: PLC0415 (openai is slow to import)
            ChatSession,
        )

        model = self.plan.model
        return ChatSession(
            self.client(),
            model=self.model,
            system=model.system if system is None else system,
            opening=model.messages,
            stop=_texts(model.parameters.get("stop")),
        )

    def wait_until_ready(
        self, *, timeout: float | None, cancel: threading.Event | None = None
    ) -> None:
        """Block until the model is loaded; *timeout* in seconds.

        Raises:
            ServerExited: it ended before.
            StartCancelled: another thread set *cancel*.
            TimeoutError: it still loads.
        """
        path = self.plan.server.health_path
        if not wait_until_ready(self.endpoint, path, self._watch, timeout=timeout, cancel=cancel):
            raise self._post_mortem.examine()

    def answers(self, *, cancel: threading.Event | None = None) -> bool:
        """Tell whether a server that somebody else started can be used, now or once it is loaded.

        Raises:
            StartCancelled: another thread set *cancel*.
        """
        path = self.plan.server.health_path
        match probe(self.endpoint, path):
            case readiness.READY:
                return True
            case readiness.LOADING:
                return wait_until_ready(
                    self.endpoint, path, self._watch, timeout=None, cancel=cancel
                )
            case _:
                return False

    def detach(self, *, keep_alive: float = FOR_EVER) -> None:
        """Have the server stay when it is closed: for *keep_alive* seconds after its last user.

        Others find it by its name (`Ramalama.attach`) or its plan (``reuse=True``). What has stayed
        for long enough is removed by the next command or start of this user, on the same engine;
        nothing of ours waits for that.

        Raises:
            ConfigError: what others need to find it cannot be written.
            OptionRefused: it was attached to, and its process has not shared it; or *keep_alive* is
                no time.
        """
        check_number("keep_alive", keep_alive, " of seconds")
        if self._tenancy is None:
            msg = f"{self.name} belongs to the process that started it, and is not ours to keep"
            raise OptionRefused(msg)
        self._tenancy.share(keep_alive=keep_alive)

    def why_ended(self, *, patience: float = 1.0) -> ServerExited | None:
        """Say why the server ended by itself; None if it still runs after *patience* seconds.

        A connection breaks a moment before the engine knows that the process is gone.
        """
        if not self._watch.wait(patience):
            return None
        return self._post_mortem.examine()

    def close(self) -> None:
        """Give the server up; a second time does nothing.

        It stops, and all that belongs to it is removed, unless others use it or it is to stay.

        Raises:
            EngineFailure: the engine does not answer; the next command removes what is left.
        """
        try:
            if self._client is not None:
                self._client.close()
        finally:
            with engine_errors():
                if self._tenancy is not None:
                    self._tenancy.leave()  # a removal ends the watch, too, at its next look

    async def close_async_client(self) -> None:
        """Close what `async_client` has returned, in the event loop that uses it."""
        if self._async_client is not None:
            await self._async_client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@frozen()
class PostMortem:
    """Finds out why a server's container ended."""

    engine: Engine
    container: str
    runtime: Runtime
    model: str

    def examine(self) -> ServerExited:
        """Ask the engine for the exit code and the log, and the runtime for what they mean.

        Raises:
            EngineFailure: it is the engine that is gone; the server may be well.
        """
        log: tuple[str, ...] = ()
        exit_code: int | None = None
        oom_killed = False
        try:
            state = self.engine.inspect(self.container)
            exit_code, oom_killed = state.exit_code, state.oom_killed
            log = tuple(self.engine.logs(self.container, tail=_LOG_TO_SEARCH))
        except EngineUnavailable as exc:
            raise EngineFailure(exc) from exc
        except ContainerNotFound:
            cause = "somebody has removed its container"
        except EngineError as exc:
            cause = f"the engine no longer tells why ({exc})"
        else:
            killed = oom_killed or exit_code == _KILLED
            cause = _memory(oom_killed=oom_killed) if killed else self.runtime.explain(log) or ""
        code = "" if exit_code is None else f" (exit code {exit_code})"
        reason = f": {cause}" if cause else ""
        msg = f"the {self.runtime.name} server of {self.model} ended{code}{reason}"
        return ServerExited(msg, exit_code=exit_code, log_tail=log[-LOG_TAIL:])


def _memory(*, oom_killed: bool) -> str:
    if oom_killed:
        return "the kernel killed it for lack of memory"
    return "it was killed, by somebody or for lack of memory"


def _texts(value: object) -> tuple[str, ...]:
    """Read one text or several, as authors of models write them; anything else is none."""
    values = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
    return tuple(each for each in values if isinstance(each, str) and each)
