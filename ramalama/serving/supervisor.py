"""Watch a server in a thread, and start it again when it dies."""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.errors import EngineFailure, ServerExited, StartCancelled
from ramalama.events import ServerDied, ServerRestarted
from ramalama.serving.restarts import is_death
from ramalama_engines.errors import ContainerNotFound, EngineError, EngineUnavailable

if TYPE_CHECKING:
    from ramalama.events import EventHook
    from ramalama.serving.exit_report import ExitReporter
    from ramalama.serving.restart_in_place import ServerInPlace
    from ramalama.serving.restarts import Restarts
    from ramalama_engines.spec import ContainerState

_log = logging.getLogger("ramalama.launch")
_WAIT = 10.0  # seconds that one request to the engine waits for the end of the container
_BESIDE = 0.5  # likewise, if there are containers beside it to look at, too
_SETTLES = 3.0  # seconds until a container that was stopped is not expected to run again

# The same for one that was killed, as `podman restart` of 4.3 does before it starts it. Meanwhile a
# start from here would make that command fail.
_SETTLES_KILLED = 1.0
_KILLED = 137  # exit code after SIGKILL

_PAUSE = 0.25  # seconds between two looks, or attempts
_LONGEST_PAUSE = 5.0


class Supervisor:
    """Watches a server and starts it again by *policy*; see `Watch` for `ended` and `wait`.

    *reporter* tells why it has died. In a process that was forked meanwhile, which does not have
    the thread, the engine is asked.

    Attributes:
        restarts: how often the server has died and answers again, as far as was seen here; another
            process that shares the server may have started it.
    """

    def __init__(
        self, server: ServerInPlace, policy: Restarts, reporter: ExitReporter, on_event: EventHook
    ) -> None:
        self.restarts = 0
        self._server = server
        self._policy = policy
        self._reporter = reporter
        self._on_event = on_event
        self._left = server.handle.left
        self._opener = os.getpid()
        self._poll = server.poll()
        self._deaths: list[float] = []
        self._given_up: ServerExited | None = None
        self._ports: tuple[int, ...] | None = None
        self._beginning = threading.Lock()
        self._begin()

    @property
    def container(self) -> str:
        """The ID of the container."""
        return self._server.container

    @property
    def ended(self) -> bool:
        """Whether the server has ended, and is not being started again."""
        if self._opener != os.getpid() or self._left.is_set():
            return self._poll.ended
        with self._beginning:
            if not self._ended.is_set():
                return False
            if self._given_up is not None or self._poll.ended:
                return True
            self._begin()  # another program has started it
            return False

    def wait(self, seconds: float) -> bool:
        """Sleep for *seconds* or until the server has ended, and return whether it has."""
        if self._opener != os.getpid():
            return self._poll.wait(seconds)
        return self._ended.wait(seconds) and self.ended

    def report(self) -> ServerExited:
        """Return why the server ended, and is not started again; see `ExitReporter.report`."""
        return self._given_up or self._reporter.report()

    def _begin(self) -> None:
        self._ended = threading.Event()
        threading.Thread(
            target=self._run, args=(self._ended,), name="ramalama-restarts", daemon=True
        ).start()

    def _run(self, ended: threading.Event) -> None:
        try:
            while (why := self._wait_for_death()) is not None and self._revive(why):
                pass
        except ContainerNotFound:
            pass  # another process has removed it, as `ramalama stop` does
        except Exception:
            _log.exception("the server %s is not started again", self.container)
            raise
        finally:
            self._poll.note_end()
            ended.set()

    def _wait_for_death(self) -> ServerExited | None:
        """Wait until the server dies and return why; None if it was left or stopped.

        Raises:
            ContainerNotFound: it was removed.
        """
        was_away, ended_at, pause = False, None, _PAUSE
        while not self._left.is_set():
            try:
                if ended_at is None and not was_away:
                    self._wait_for_end()
                dead = self._server.dead_container()
                if dead is None:
                    was_away, ended_at, pause = False, None, _PAUSE
                    continue
                ended_at = ended_at or time.monotonic()
                died = is_death(
                    dead.exit_code, oom_killed=dead.oom_killed, engine_was_away=was_away
                )
                if time.monotonic() - ended_at >= _settling(dead, died=died):
                    return self._reporter.report() if died else None
            except ContainerNotFound:
                raise
            except (EngineError, EngineFailure) as exc:
                _log.info("could not ask the engine about %s: %s", self.container, exc)
                was_away, pause = True, min(2 * pause, _LONGEST_PAUSE)
                self._left.wait(pause)
                continue
            self._left.wait(_PAUSE)
        return None

    def _wait_for_end(self) -> None:
        """Wait some time for the end of a container."""
        if self._ports is None:
            self._ports = self._server.published()
        several = len(self._server.containers) > 1
        with suppress(TimeoutError):
            self._server.connect().wait(self.container, timeout=_BESIDE if several else _WAIT)

    def _revive(self, why: ServerExited) -> bool:
        """Start the server until it answers; return whether it is still to be watched.

        A start that fails counts as a death.

        Raises:
            ContainerNotFound: the server was removed.
        """
        while not self._left.is_set():
            self._deaths.append(time.monotonic())
            self._tell(ServerDied(self.container, why.message))
            if not self._policy.allow(self._deaths):
                self._given_up = self._policy.give_up(why, self._deaths)
                return False
            failed = self._start(why)
            if failed is None:
                return True
            why = failed
            self._left.wait(_PAUSE)
        return False

    def _start(self, why: ServerExited) -> ServerExited | None:
        """Start the server once and wait until it answers; return why it does not.

        None also if it was left meanwhile.
        """
        try:
            if not self._start_in_place():
                return None
            if not self._server.becomes_ready():
                return self._reporter.report()
        except StartCancelled:
            return None
        except ContainerNotFound:
            raise
        except (EngineError, EngineFailure) as exc:
            msg = f"the server of {self._reporter.model} could not be started again: {exc}"
            return ServerExited(msg, hint=exc.hint, exit_code=None, log_tail=())
        self.restarts += 1
        self._tell(ServerRestarted(self.container, why.message, self.restarts))
        return None

    def _start_in_place(self) -> bool:
        """Start the containers, and return whether that was done: not after the server was left.

        If the engine does not answer, as while it is restarted itself, wait for it.

        Raises:
            EngineError: a container cannot be started.
        """
        pause = _PAUSE
        while not self._left.is_set():
            try:
                return self._server.handle.unless_left(
                    lambda: self._server.start(self._ports or ())
                )
            except EngineUnavailable:
                pause = min(2 * pause, _LONGEST_PAUSE)
                self._left.wait(pause)
        return False

    def _tell(self, event: ServerDied | ServerRestarted) -> None:
        _log.info("%s", event)
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 (whatever it is, the server is to be started again)
            _log.warning("the hook has failed at %s", event, exc_info=True)


def _settling(ended: ContainerState, *, died: bool) -> float:
    """Return for how many seconds another program may be about to start the container again."""
    if not died:
        return _SETTLES
    return _SETTLES_KILLED if ended.exit_code == _KILLED and not ended.oom_killed else 0.0
