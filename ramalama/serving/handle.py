"""Our hold on a server: as the process it belongs to, or as one of its users."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.errors import ConfigError
from ramalama.serving.usage import Sharing
from ramalama.system.process_identity import Lease
from ramalama.system.uninterrupted import shielded

if TYPE_CHECKING:
    from ramalama.serving.container import Instance
    from ramalama.serving.run_dir import InstanceDir
    from ramalama_engines.engine import Engine


class Tenancy:
    """A hold on a server until `leave`, which takes away what nobody needs any more.

    Until it is `settled` the server is only being started, and `leave` undoes that whatever was
    planned for later. Each step is shielded from signals.
    """

    def __init__(self, engine: Engine, directory: InstanceDir, instance: Instance) -> None:
        self._engine = engine
        self._sharing = Sharing(directory)
        self._instance = instance
        self._use: str | None = None
        self._left = False
        self.settled = False

    @classmethod
    def join(
        cls, engine: Engine, directory: InstanceDir, instance: Instance, *, keep_alive: float
    ) -> Tenancy | None:
        """Become one more user of a shared server; None if it is gone or not shared."""
        tenancy = cls(engine, directory, instance)
        tenancy.settled = True

        def join() -> None:
            with tenancy._sharing.locked() as ledger:
                ledger.extend(keep_alive)
                tenancy._use = ledger.add(Lease.of_this_process())

        try:
            shielded(join)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None
        except BaseException:  # Ctrl-C came meanwhile, and is raised now
            if tenancy._use is not None:
                tenancy.leave()
            raise
        return tenancy

    def share(self, *, keep_alive: float) -> None:
        """Let others use the server, and have it stay after its last user for so many seconds.

        Raises:
            ConfigError: the directory for that cannot be written.
        """

        def share() -> None:
            if self._use is None:
                self._use = self._sharing.open(self._engine.url, keep_alive=keep_alive)
                return
            with suppress(FileNotFoundError), self._sharing.locked() as ledger:
                ledger.extend(keep_alive)

        try:
            shielded(share)
        except OSError as exc:
            msg = f"cannot write {self._sharing.path}: {exc.strerror}"
            raise ConfigError(msg) from exc

    def leave(self) -> None:
        """Give the server up; a second time does nothing.

        Raises:
            EngineError: it should be removed now, and the engine does not; the next command will.
        """
        shielded(self._leave)

    def _leave(self) -> None:
        if self._use is None:
            self._instance.remove()
            return
        if self._left:
            return
        with suppress(FileNotFoundError), self._sharing.locked() as ledger:
            ledger.remove(self._use)
            if not self.settled or ledger.is_over():
                self._instance.remove()
                ledger.close()
        self._left = True
