"""Why a server's container ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import EngineFailure, ServerExited
from ramalama_engines.errors import ContainerNotFound, EngineError, EngineUnavailable
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.runtimes.base import Runtime
    from ramalama_engines.engine import Engine


LOG_TAIL = 40  # lines that a user may want to see
_LOG_TO_SEARCH = 2000  # lines; a cause is followed by the stacks of several processes
_KILLED = 137


@frozen()
class ExitReporter:
    """Finds out why a server's container ended, on the engine that *connect* returns."""

    connect: Callable[[], Engine]
    container: str
    runtime: Runtime
    model: str

    def report(self) -> ServerExited:
        """Ask the engine for the exit code and the log, and the runtime for what they mean.

        Raises:
            EngineFailure: it is the engine that is gone; the server may be well.
        """
        log: tuple[str, ...] = ()
        exit_code: int | None = None
        oom_killed = False
        try:
            engine = self.connect()
            state = engine.inspect(self.container)
            exit_code, oom_killed = state.exit_code, state.oom_killed
            log = tuple(engine.logs(self.container, tail=_LOG_TO_SEARCH))
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
