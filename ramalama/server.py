"""A model server that runs and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, cast

from ramalama.engine_errors import engine_errors
from ramalama.errors import EngineFailure, ServerExited
from ramalama.readiness import wait_until_ready
from ramalama_engines.errors import EngineError, EngineUnavailable
from ramalama_values import frozen

if TYPE_CHECKING:
    import openai

    from ramalama.instance import Instance
    from ramalama.planning import LaunchPlan
    from ramalama.readiness import ExitWatch
    from ramalama.runtimes.base import Runtime
    from ramalama_chat.endpoint import Endpoint
    from ramalama_chat.session import ChatSession
    from ramalama_engines.base import Engine

LOG_TAIL = 40  # lines that a user may want to see
_LOG_TO_SEARCH = 2000  # lines; a cause is followed by the stacks of several processes
_KILLED = 137


class ModelServer:
    """A container that serves one model; a context manager that removes it when left."""

    def __init__(
        self,
        plan: LaunchPlan,
        endpoint: Endpoint,
        *,
        instance: Instance,
        watch: ExitWatch,
        post_mortem: PostMortem,
    ) -> None:
        self.plan = plan
        self.endpoint = endpoint
        self._instance = instance
        self._watch = watch
        self._post_mortem = post_mortem
        self._client: openai.OpenAI | None = None

    @property
    def name(self) -> str:
        """The container's name."""
        return self.plan.container.name or ""

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
        if self._client is None:
            from ramalama_chat.client import open_client  # noqa: PLC0415 (openai is slow to import)

            self._client = open_client(self.endpoint)
        return self._client

    def chat(self, *, system: str | None = None) -> ChatSession:
        """Begin a conversation; *system* stands in for the prompt that the model's author chose."""
        from ramalama_chat.session import ChatSession  # noqa: PLC0415 (openai is slow to import)

        model = self.plan.model
        return ChatSession(
            self.client(),
            model=self.model,
            system=model.system if system is None else system,
            opening=model.messages,
            stop=_texts(model.parameters.get("stop")),
        )

    def wait_until_ready(self, *, timeout: float | None) -> None:
        """Block until the model is loaded; *timeout* in seconds.

        Raises:
            ServerExited: it ended before.
            TimeoutError: it still loads.
        """
        path = self.plan.server.health_path
        if not wait_until_ready(self.endpoint, path, self._watch, timeout=timeout):
            raise self._post_mortem.examine()

    def why_ended(self, *, patience: float = 1.0) -> ServerExited | None:
        """Say why the server ended by itself; None if it still runs after *patience* seconds.

        A connection breaks a moment before the engine knows that the process is gone.
        """
        if not self._watch.wait(patience):
            return None
        return self._post_mortem.examine()

    def close(self) -> None:
        """Stop the server and remove all that belongs to it; a second time does nothing.

        Raises:
            EngineFailure: the engine does not answer; the next command removes what is left.
        """
        try:
            if self._client is not None:
                self._client.close()
        finally:
            with engine_errors():
                self._instance.remove()  # which ends the watch too, when the engine looks next

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
