"""Find out why a server's container ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import EngineFailure, ServerExited
from ramalama_engines.errors import ContainerNotFound, EngineError, EngineUnavailable
from ramalama_values import frozen
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.runtimes.base import Runtime
    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import ContainerState


LOG_TAIL = 40  # lines of the log that an error shows
_LOG_TO_SEARCH = 2000  # lines; the stack traces of several processes may follow the cause
_LONGEST_LINE = 1000  # characters; the rest of a line is not searched either
_LONGEST_CAUSE = 300
_KILLED = 137  # exit code after SIGKILL
_MORE_MEMORY = "allow it more with --memory, or use a smaller --ctx-size or model"


@frozen()
class ExitReporter:
    """Finds out why a server's container ended, on the engine that *connect* returns.

    *companions* are the names of the containers beside it, one of which may have ended instead.
    """

    connect: Callable[[], Engine]
    container: str
    runtime: Runtime
    model: str
    companions: tuple[str, ...] = ()

    def report(self) -> ServerExited:
        """Return an error with the exit code, the end of the log, and the cause if it is known.

        Raises:
            EngineFailure: the engine does not answer; the server may still run.
        """
        log: tuple[str, ...] = ()
        hint = None
        exit_code: int | None = None
        oom_killed = False
        try:
            engine = self.connect()
            state = engine.inspect(self.container)
            if ended := self._end_of_companion(engine, state):
                return ended
            exit_code, oom_killed = state.exit_code, state.oom_killed
            log = read_log_end(engine, self.container, _LOG_TO_SEARCH)
        except EngineUnavailable as exc:
            raise EngineFailure(exc) from exc
        except ContainerNotFound:
            cause = "its container was removed by another process"
        except EngineError as exc:
            cause = f"the engine does not report the reason ({exc})"
        else:
            if oom_killed or exit_code == _KILLED:
                cause, hint = _describe_kill(oom_killed=oom_killed), _MORE_MEMORY
            else:
                cause = one_line(self.runtime.explain(log) or "", longest=_LONGEST_CAUSE)
        code = "" if exit_code is None else f" (exit code {exit_code})"
        reason = f": {cause}" if cause else ""
        msg = f"the {self.runtime.name} server of {self.model} ended{code}{reason}"
        return ServerExited(msg, hint=hint, exit_code=exit_code, log_tail=log[-LOG_TAIL:])

    def _end_of_companion(self, engine: Engine, server: ContainerState) -> ServerExited | None:
        """Return why a container beside *server* has ended, if that is what has happened."""
        for name in self.companions:
            from ramalama.serving.companions import (  # noqa: PLC0415 (rarely needed)
                end_of_companion,
            )

            ended = end_of_companion(engine, server, name, self.model, lines=LOG_TAIL)
            if ended is not None:
                return ended
        return None


def read_log_end(engine: Engine, container: str, lines: int) -> tuple[str, ...]:
    """Return the last lines of a container's log, each of at most 1000 characters.

    Raises:
        EngineError: the engine does not answer, or there is no such container.
    """
    return tuple(line[:_LONGEST_LINE] for line in engine.logs(container, tail=lines))


def _describe_kill(*, oom_killed: bool) -> str:
    if oom_killed:
        return "the kernel killed it because memory ran out"
    return "it was killed by SIGKILL, perhaps because memory ran out"
