"""Run a program of the server's image on the engine's host, to verify what has arrived there."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ramalama.planning.labels import OWNER_LABEL, UPLOAD_LABEL
from ramalama.system.process_identity import ProcessIdentity
from ramalama.system.uninterrupted import run_uninterrupted
from ramalama_engines.errors import ContainerNotFound, EngineError, ProgramNotFound
from ramalama_engines.spec import ContainerSpec
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ramalama_engines import Engine
    from ramalama_engines.spec import Mount

_SLOWEST = 20_000_000  # bytes a second that a disk reads
_SHORTEST = 120.0  # seconds
_LONGEST_LOG = 20  # lines
_PIDS = 64


@contextmanager
def created(
    engine: Engine,
    image: str,
    mounts: Sequence[Mount],
    *,
    label: str,
    command: Sequence[str] = ("true",),
    user: str = "0:0",
) -> Generator[str]:
    """Create a locked-down container and yield its ID; it is removed at the end of the block.

    *label* says what it is for; the next command removes it if this process is killed.
    """
    spec = ContainerSpec(
        image=image,
        entrypoint=(command[0],),
        command=tuple(command[1:]),
        labels={
            UPLOAD_LABEL: label,
            OWNER_LABEL: ProcessIdentity.of_this_process().format(),
        },
        mounts=tuple(mounts),
        user=user,
        pids_limit=_PIDS,
        optional_limits=("pids_limit",),
    )
    container = ""

    def create() -> None:
        nonlocal container
        container = engine.create(spec)

    try:
        run_uninterrupted(create)
        yield container
    finally:
        if container:
            with suppress(ContainerNotFound):
                run_uninterrupted(lambda: engine.remove(container, force=True))


def run_program(
    engine: Engine,
    image: str,
    mounts: Sequence[Mount],
    *,
    command: Sequence[str],
    label: str,
    size: int,
) -> str:
    """Run *command*, which reads *size* bytes, and return what it has printed.

    Raises:
        EngineError: the image does not have the program, or the program failed.
    """
    try:
        with created(engine, image, mounts, label=label, command=command) as container:
            engine.start(container)
            code = engine.wait(container, timeout=_SHORTEST + size / _SLOWEST)
            output = "\n".join(engine.logs(container, tail=_LONGEST_LOG))
    except ProgramNotFound as exc:
        msg = f"the image {image} has no {command[0]}, which verifies a model that was sent"
        raise EngineError(msg, hint="use another image", engine=engine.kind) from exc
    except TimeoutError as exc:
        msg = f"{command[0]} did not end in time on the host of {engine.kind}"
        raise EngineError(msg, engine=engine.kind) from exc
    if code:
        msg = f"{command[0]} failed on the host of {engine.kind}: {one_line(output)}"
        raise EngineError(msg, engine=engine.kind)
    return output
