"""Questions to the engine and its host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.api.base import RamalamaBase
from ramalama.errors import EngineFailure, engine_errors
from ramalama.serving.accelerator import FoundAccelerators, capacity_of, detect_on, required
from ramalama.serving.cleanup import remove_orphaned
from ramalama.serving.sides.find import side_of
from ramalama.serving.sides.side import HERE
from ramalama_accel.detection import detect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.config.options import ServeOptions
    from ramalama.planning.memory.capacity import MemoryCapacity
    from ramalama.serving.sides.copies import ModelCopy
    from ramalama_accel.host import Host
    from ramalama_accel.values import Accelerator, Detection
    from ramalama_engines.discovery.connection import Attempt
    from ramalama_engines.discovery.podman_machine import PodmanMachine


class EngineQuestions(RamalamaBase):
    """The methods of `Ramalama` that ask the engine and its host."""

    @property
    def remote_engine(self) -> str | None:
        """The address of the engine if the settings name one on another host; nothing is asked.

        None after `connect`.

        Raises:
            EngineFailure: the settings of the engines cannot be read.
        """
        remote = self._engines.remote()
        return None if remote is None else remote.url

    @property
    def engine_source(self) -> str:
        """Why this engine was chosen; valid after `connect`."""
        return self._engines.source

    @property
    def machine(self) -> PodmanMachine | None:
        """The virtual machine of podman in which the engine runs; valid after `connect`."""
        return self._engines.machine

    @property
    def engine_attempts(self) -> Sequence[Attempt]:
        """What `connect` has tried, in this order, up to the engine that it has found."""
        return self._engines.attempts

    def detect(self) -> Detection:
        """Detect the accelerators of this host; an engine may be on another one."""
        return detect(self._host)

    def engine_accelerators(self) -> FoundAccelerators:
        """Detect the accelerators of the engine's host; of this one if no engine answers."""
        try:
            side = side_of(self.connect(), self.run_dir)
        except EngineFailure:
            side = HERE
        with engine_errors():
            return FoundAccelerators.on(side, self._host)

    def engine_host(self) -> Host | None:
        """Return the engine's host, as far as it is known; None if it is this one."""
        with engine_errors():
            side = side_of(self.connect(), self.run_dir)
            host = side.accelerated(self._host)
        return None if host is self._host else host

    def look_at_engine(self, image: str) -> None:
        """Look at the engine's host with containers of a local *image*, unless it is known.

        Raises:
            EngineFailure: the engine does not answer.
        """
        with engine_errors():
            side_of(self.connect(), self.run_dir).settle(lambda: image)

    def memory_capacity(self, options: ServeOptions | None = None) -> MemoryCapacity:
        """Return how much memory a model can use on this host, if it is served with *options*."""
        return capacity_of(HERE, self._host, options)

    def accelerator(self, options: ServeOptions) -> Accelerator:
        """Return the accelerator that a server with *options* would use.

        Raises:
            OptionRefused: a ``*_VISIBLE_DEVICES`` variable of the user is invalid on this host.
        """
        return required(self.detect_for(options))

    def detect_for(self, options: ServeOptions) -> Detection:
        """Detect the accelerators for a server with *options* on this engine."""
        with engine_errors():
            side = side_of(self.connect(), self.run_dir).expected
            return detect_on(self.connect(), side.accelerated(self._host), options)

    def copies(self) -> Sequence[ModelCopy]:
        """Return the copies of models on the engine's host; none if that is this one.

        Raises:
            EngineFailure: no engine answers, or its host does not.
        """
        with engine_errors():
            return side_of(self.connect(), self.run_dir).copies()

    def remove_copies(self, *, dry_run: bool = False) -> Sequence[ModelCopy]:
        """Remove the `copies` that no server uses, and return them; with *dry_run*, remove none.

        Raises:
            EngineFailure: no engine answers, or its host does not.
        """
        from ramalama.serving.sides.copies import (  # noqa: PLC0415 (rarely used)
            remove_unused,
            unused_copies,
        )

        engine = self.connect()
        with engine_errors():
            side = side_of(engine, self.run_dir)
            if dry_run:
                return unused_copies(engine, side.copies())
            remove_orphaned(engine, self.run_dir)  # containers of killed processes have volumes
            return remove_unused(engine, side.copies(), side.remove_copy)
