"""Our hold on a server: as the process it belongs to, or as one of its users."""

from __future__ import annotations

import logging
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
    """A hold on a server until `leave`, which takes away what nobody needs any more.

    *engine* is the address of the engine that the server is on, *remove* removes the server. Until
    it is `settled` the server is only being started, and `leave` undoes that whatever was planned
    for later. Each step is shielded from signals.
    """

    def __init__(self, engine: str, directory: ServerDir, remove: Callable[[], None]) -> None:
        self._engine = engine
        self._shared = SharedServer(directory)
        self._remove = remove
        self._use: str | None = None
        self._left = False
        self.settled = False

    @classmethod
    def join(
        cls, engine: str, directory: ServerDir, remove: Callable[[], None], *, keep_alive: float
    ) -> ServerHandle | None:
        """Become one more user of a shared server; None if it is gone or not shared."""
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
        except BaseException:  # Ctrl-C came meanwhile, and is raised now
            if handle._use is not None:
                handle.leave()
            raise
        return handle

    def share(self, *, keep_alive: float) -> None:
        """Let others use the server, and have it stay after its last user for so many seconds.

        Raises:
            ConfigError: the directory for that cannot be written.
        """

        def share() -> None:
            if self._use is None:
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
        """Give the server up; a second time does nothing.

        Raises:
            EngineError: it should be removed now, and the engine does not; the next command will.
        """
        run_uninterrupted(self._leave)

    def leave_quietly(self) -> None:
        """Undo a start that failed; that failure is what the user must hear of."""
        try:
            self.leave()
        except EngineError as exc:
            _log.info("could not remove the container, the next command will: %s", exc)

    def _leave(self) -> None:
        if self._use is None:
            self._remove()
            return
        if self._left:
            return
        with suppress(FileNotFoundError), self._shared.locked() as users:
            users.remove(self._use)
            if not self.settled or users.is_over():
                self._remove()
                users.close()
        self._left = True
