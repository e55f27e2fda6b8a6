"""A handle on a server, as the process that owns it or as one of its users."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.errors import ConfigError
from ramalama.serving.usage import SharedServer
from ramalama.system.process_identity import ProcessIdentity
from ramalama.system.uninterrupted import run_uninterrupted
from ramalama_engines.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.serving.run_dir import ServerDir

_log = logging.getLogger("ramalama.launch")


class ServerHandle:
    """A handle on a server until `leave`, which removes the server if no process needs it.

    *engine* is the address of the server's engine; *remove* removes the server; *on_share* is
    called before other processes may use it. While `settled` is
    False, the server is being started, and `leave` removes it even if it has a keep-alive time.
    Signals do not interrupt a step. In a process that was forked meanwhile, `leave` does nothing:
    the server belongs to the process that opened it.
    """

    def __init__(
        self,
        engine: str,
        directory: ServerDir,
        remove: Callable[[], None],
        *,
        on_share: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._shared = SharedServer(directory)
        self._remove = remove
        self._on_share = on_share
        self._use: str | None = None
        self._left = False
        self._tried = False  # to leave
        self._opener = os.getpid()
        self.settled = False

    @classmethod
    def join(
        cls, engine: str, directory: ServerDir, remove: Callable[[], None], *, keep_alive: float
    ) -> ServerHandle | None:
        """Become a user of a shared server; None if it does not exist any more or is not shared."""
        handle = cls(engine, directory, remove)
        handle.settled = True

        def join() -> None:
            with handle._shared.locked() as users:
                users.extend(keep_alive)
                handle._use = users.add(ProcessIdentity.of_this_process())

        try:
            run_uninterrupted(join)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None
        except BaseException:  # for example Ctrl-C, which is raised after the call
            if handle._use is not None:
                handle.leave()
            raise
        return handle

    def share(self, *, keep_alive: float) -> None:
        """Let other processes use the server, and keep it *keep_alive* seconds after its last user.

        Raises:
            ConfigError: the directory of the user records cannot be written.
        """

        def share() -> None:
            if self._use is None:
                self._on_share()
                self._use = self._shared.open(self._engine, keep_alive=keep_alive)
                return
            with suppress(FileNotFoundError), self._shared.locked() as users:
                users.extend(keep_alive)

        try:
            run_uninterrupted(share)
        except OSError as exc:
            msg = f"cannot write {self._shared.path}: {exc.strerror}"
            raise ConfigError(msg) from exc

    def leave(self) -> None:
        """End the use of the server; further calls do nothing.

        Raises:
            EngineError: the engine could not remove the server; the next command tries again.
        """
        if os.getpid() == self._opener:
            run_uninterrupted(self._leave)

    def leave_quietly(self) -> None:
        """Undo a start that failed; only log an error, so that the first error is reported.

        After `leave` this does nothing, even if that failed: an engine that hangs takes a minute.
        """
        if self._tried:
            return
        try:
            self.leave()
        except EngineError as exc:
            _log.info("could not remove the container, the next command tries again: %s", exc)

    def _leave(self) -> None:
        self._tried = True
        if self._use is None:
            self._remove()
            return
        if self._left:
            return
        try:
            with self._shared.locked() as users:
                users.remove(self._use)
                if not self.settled or users.is_over():
                    self._remove()
                    users.close()
        except FileNotFoundError:  # another process has stopped the server, or removed its records
            if not self.settled:
                self._remove()
        self._left = True
