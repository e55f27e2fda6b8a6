"""Run a program of the server's image on the engine's host, to verify what has arrived there."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ramalama.planning.labels import OWNER_LABEL, UPLOAD_LABEL
from ramalama.serving.image_labels import is_labelled
from ramalama.system.process_identity import ProcessIdentity, ProcessState
from ramalama.system.uninterrupted import run_uninterrupted
from ramalama_engines.errors import ContainerNotFound, EngineError, ProgramNotFound
from ramalama_engines.spec import ContainerSpec
from ramalama_values import frozen
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ramalama_engines import Engine
    from ramalama_engines.spec import ContainerState, Mount

_SLOWEST = 20_000_000  # bytes a second that a disk reads
_SHORTEST = 120.0  # seconds
_LOG_LINES = 20
# Bytes. Without a size, the engine may keep logs where its user cannot read them: in the journal.
_LOG_SIZE = 64 * 1024
_PIDS = 64


def remove_if_abandoned(engine: Engine, state: ContainerState) -> None:
    """Remove a container with `UPLOAD_LABEL` whose process was killed; it may still run."""
    owner = ProcessIdentity.parse(state.labels.get(OWNER_LABEL, ""))
    is_dead = owner is not None and owner.state() is ProcessState.DEAD
    if is_dead and is_labelled(engine, state, UPLOAD_LABEL):
        with suppress(ContainerNotFound):
            engine.remove(state.id, force=True)


class WorkerFailed(EngineError):
    """A program ended with an exit code that is not 0."""

    def __init__(self, message: str, *, code: int, engine: str) -> None:
        super().__init__(message, engine=engine)
        self.code = code


@frozen(kw_only=False)
class Workers:
    """Containers of *image* on *engine* that are no servers.

    They have nothing but *mounts*: no network, no capabilities. *label* says what they are for; the
    next command removes them if this process is killed. *user* gets the files that are copied into
    them with Podman; Docker keeps the IDs in the archive. The rest is as in `ContainerSpec`.
    """

    engine: Engine
    image: str
    mounts: tuple[Mount, ...]
    label: str
    user: str = "0:0"
    userns: str | None = None
    keep_groups: bool = False
    selinux_options: tuple[str, ...] = ()
    log_size: int = _LOG_SIZE

    @contextmanager
    def created(self, command: Sequence[str] = ("true",)) -> Generator[str]:
        """Create a container and yield its ID; it is removed at the end of the block."""
        spec = ContainerSpec(
            image=self.image,
            image_volumes=False,
            entrypoint=(command[0],),
            command=tuple(command[1:]),
            labels={
                UPLOAD_LABEL: self.label,
                OWNER_LABEL: ProcessIdentity.of_this_process().format(),
            },
            mounts=self.mounts,
            user=self.user,
            userns=self.userns,
            keep_groups=self.keep_groups,
            selinux_options=self.selinux_options,
            log_size=self.log_size,
            pids_limit=_PIDS,
            optional_limits=("pids_limit",),
        )
        container = ""

        def create() -> None:
            nonlocal container
            container = self.engine.create(spec)

        def remove() -> None:
            with suppress(ContainerNotFound):
                self.engine.remove(container, force=True)

        try:
            run_uninterrupted(create)
            yield container
        finally:
            if container:
                run_uninterrupted(remove)

    def remove_abandoned(self) -> None:
        """Remove the containers of the same label whose process was killed; they may still run."""
        for state in self.engine.list({UPLOAD_LABEL: self.label}):
            remove_if_abandoned(self.engine, state)

    def run(self, command: Sequence[str], *, size: int, lines: int = _LOG_LINES) -> str:
        """Run *command*, which reads *size* bytes, and return the last *lines* that it has printed.

        Raises:
            EngineError: the image does not have the program.
            WorkerFailed: the program failed.
        """
        kind = self.engine.kind
        try:
            with self.created(command) as container:
                self.engine.start(container)
                code = self.engine.wait(container, timeout=_SHORTEST + size / _SLOWEST)
                output = "\n".join(self.engine.logs(container, tail=lines))
        except ProgramNotFound as exc:
            msg = f"the image {self.image} has no {command[0]}, which verifies a model that is sent"
            raise EngineError(msg, hint="use another image", engine=kind) from exc
        except TimeoutError as exc:
            msg = f"{command[0]} did not end in time on the host of {kind}"
            raise EngineError(msg, engine=kind) from exc
        if code:
            msg = f"{command[0]} failed on the host of {kind}: {one_line(output)}"
            raise WorkerFailed(msg, code=code, engine=kind)
        return output
