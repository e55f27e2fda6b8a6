"""A handle on a server, as the process that owns it or as one of its users."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.errors import ConfigError
from ramalama.serving.usage import FOR_EVER, SharedServer
from ramalama.system.process_identity import ProcessIdentity
from ramalama.system.uninterrupted import run_uninterrupted
from ramalama_engines.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ramalama.serving.run_dir import ServerDir

_log = logging.getLogger("ramalama.launch")


class ServerHandle:
    """A handle on a server until `leave`, which removes the server if no process needs it.

    *engine* is the address of the server's engine; *remove* removes the server; *on_share* is
    called before other processes may use it. While `settled` is
    False, the server is being started, and `leave` removes it even if it has a keep-alive time.
    Signals do not interrupt a step. In a process that was forked meanwhile, `leave` does nothing:
    the server belongs to the process that opened it. A handle that is still open when the
    interpreter exits is left then.

    Attributes:
        left: is set when `leave` begins.
        on_kept: is called after `leave` if the server still exists, with this handle.
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
        self._gate = threading.Lock()  # held while the server is started again, or left
        self.left = threading.Event()
        self.on_kept: Callable[[ServerHandle], None] | None = None
        self.settled = False
        atexit.register(self.leave_quietly)

    @property
    def records(self) -> Path:
        """The directory with the records of the server's users, which exists while it is shared."""
        return self._shared.path

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
            atexit.unregister(handle.leave_quietly)
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

    def unless_left(self, call: Callable[[], None]) -> bool:
        """Make the *call*, and return whether it was made: not after `leave`, or a removal.

        Meanwhile the server is not left, and no other process that shares it makes such a call.
        """
        with self._gate:
            if self.left.is_set():
                return False
            if self._use is None:
                call()
                return True
            try:
                with self._shared.locked():
                    call()
            except FileNotFoundError:
                return False
            return True

    def end_if_idle(self) -> float | None:
        """Remove the server if its keep-alive time is over; None if it does not exist any more.

        Otherwise, return after how many seconds to look again; see `UserRecords.time_left`.

        Raises:
            EngineError: the engine could not remove it.
        """
        try:
            with self._shared.locked() as users:
                if not users.is_over():
                    return users.time_left()
                self._remove()
                users.close()
                return None
        except FileNotFoundError:
            return None

    def _leave(self) -> None:
        self._tried = True
        self.left.set()
        atexit.unregister(self.leave_quietly)
        with self._gate:
            self._end_use()

    def _end_use(self) -> None:
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
                elif self.on_kept is not None and users.time_left() < FOR_EVER:
                    self.on_kept(self)
        except FileNotFoundError:  # another process has stopped the server, or removed its records
            if not self.settled:
                self._remove()
        self._left = True
