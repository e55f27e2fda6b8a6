"""One container of a FakeEngine: what its program does, its state and its log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.spec import ContainerFile, ContainerStatus
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Condition

    from ramalama_engines.errors import EngineError
    from ramalama_engines.spec import ContainerSpec, ContainerState


@frozen()
class FakeProgram:
    """What the program of a container does.

    Attributes:
        logs: lines that it writes as soon as it runs.
        exit_code: its exit code as soon as it has written them; None: it runs until it is stopped.
        stop_code: its exit code when it is stopped; the default is that of SIGTERM.
        create_error: raised instead of creating the container.
        start_error: raised instead of starting it.
        memory: bytes that it uses.
        on_start: called when it runs, for example to start a server that answers in its place.
        on_end: called when it ends, for any reason, before the engine says so.
    """

    logs: tuple[str, ...] = ()
    exit_code: int | None = None
    stop_code: int = 143
    create_error: EngineError | None = None
    start_error: EngineError | None = None
    memory: int = 1 << 20
    on_start: Callable[[], object] | None = None
    on_end: Callable[[], object] | None = None


@dataclass(slots=True)
class FakeFile:
    """A file, or a directory or something special, which have no content."""

    content: bytearray = field(default_factory=bytearray)
    mode: int = 0o755
    is_directory: bool = True
    is_special: bool = False

    def describe(self) -> ContainerFile:
        """Return what an engine says of it."""
        return ContainerFile(
            size=len(self.content),
            mode=self.mode,
            is_directory=self.is_directory,
            is_special=self.is_special,
        )


@dataclass(slots=True, kw_only=True)
class FakeContainer:
    """A container of a FakeEngine; the engine's lock guards it.

    *volumes* are the names of its anonymous volumes, *files* those outside of mounts, by path;
    *ends* while its program ends, which the engine does not know yet.
    """

    spec: ContainerSpec
    program: FakeProgram
    state: ContainerState
    volumes: tuple[str, ...] = ()
    files: dict[str, FakeFile] = field(default_factory=dict[str, FakeFile])
    lines: list[str] = field(default_factory=list[str])
    removed: bool = False
    ends: bool = False

    @property
    def is_running(self) -> bool:
        """Whether the program runs, so that its log may grow."""
        return self.state.status is ContainerStatus.RUNNING


class FakeLog:
    """The lines of a container's log; any thread may close it, even while another waits.

    *changed* is the engine's lock, which is notified of every change.
    """

    def __init__(
        self,
        container: FakeContainer,
        *,
        first: int,
        follow: bool,
        changed: Condition,
        is_closed: Callable[[], bool],
    ) -> None:
        self._container = container
        self._next = first
        self._follow = follow
        self._changed = changed
        self._engine_is_closed = is_closed
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        with self._changed:
            if self._follow:
                self._changed.wait_for(self._has_news)
            if self._engine_is_closed():
                msg = "the engine is closed"
                raise EngineUnavailable(msg)
            if self._closed or self._next >= len(self._container.lines):
                raise StopIteration
            self._next += 1
            return self._container.lines[self._next - 1]

    def close(self) -> None:
        """End the stream."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has_news(self) -> bool:
        more = self._next < len(self._container.lines)
        ended = self._closed or self._engine_is_closed() or not self._container.is_running
        return more or ended
