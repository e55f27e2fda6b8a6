"""A model server that runs and answers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self, cast

from ramalama.config.options import check_seconds
from ramalama.errors import OptionRefused, ServerExited, engine_errors
from ramalama.serving import health
from ramalama.serving.health import probe, wait_until_ready
from ramalama.serving.usage import FOR_EVER

if TYPE_CHECKING:
    import openai

    from ramalama.planning.plan import LaunchPlan
    from ramalama.serving.exit_report import ExitReporter
    from ramalama.serving.exit_watch import ExitPoll, ExitWatch
    from ramalama.serving.handle import ServerHandle
    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_chat.session.session import ChatSession


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
        handle: ServerHandle | None,
        watch: ExitWatch | ExitPoll,
        exit_reporter: ExitReporter,
    ) -> None:
        self.plan = plan
        self.endpoint = endpoint
        self._handle = handle
        self._watch = watch
        self._exit_reporter = exit_reporter
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
        return self._exit_reporter.container

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
            raise self._exit_reporter.report()

    def answers(self, *, cancel: threading.Event | None = None) -> bool:
        """Tell whether a server that somebody else started can be used, now or once it is loaded.

        Raises:
            StartCancelled: another thread set *cancel*.
        """
        path = self.plan.server.health_path
        match probe(self.endpoint, path):
            case health.READY:
                return True
            case health.LOADING:
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
        check_seconds("keep_alive", keep_alive)
        if self._handle is None:
            msg = f"{self.name} belongs to the process that started it, and is not ours to keep"
            raise OptionRefused(msg)
        self._handle.share(keep_alive=keep_alive)

    def why_ended(self, *, patience: float = 1.0) -> ServerExited | None:
        """Say why the server ended by itself; None if it still runs after *patience* seconds.

        A connection breaks a moment before the engine knows that the process is gone.
        """
        if not self._watch.wait(patience):
            return None
        return self._exit_reporter.report()

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
                if self._handle is not None:
                    self._handle.leave()  # a removal ends the watch, too, at its next look

    async def close_async_client(self) -> None:
        """Close what `async_client` has returned, in the event loop that uses it."""
        if self._async_client is not None:
            await self._async_client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _texts(value: object) -> tuple[str, ...]:
    """Read one text or several, as authors of models write them; anything else is none."""
    values = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
    return tuple(each for each in values if isinstance(each, str) and each)
