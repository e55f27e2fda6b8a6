"""The containers beside a server: find them, remove them, and tell why one of them ended."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.errors import ServerExited, ServerNotReady
from ramalama.planning.labels import (
    API_LABEL,
    COMPANION_LABEL,
    COMPANIONS_LABEL,
    EMBEDDINGS,
    INSTANCE_LABEL,
    LABEL,
)
from ramalama.runtimes import find_runtime
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines.errors import ContainerNotFound, EngineError
from ramalama_engines.spec import ContainerStatus
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ramalama.planning.plan import LaunchPlan
    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import ContainerState

_LISTENS = "Uvicorn running on "
_ENDED = r"the model server at \S+ has ended"
_ERROR = r"\W*(?P<error>(?:\w+\.)*\w*(?:Error|Exception|Exit): .+)"
_LONGEST_CAUSE = 300


def is_companion(state: ContainerState) -> bool:
    """Return whether a container is beside a server, and is none itself."""
    return bool(state.labels.get(COMPANION_LABEL))


def companions_of(engine: Engine, state: ContainerState) -> Sequence[ContainerState]:
    """Return the containers beside the server *state*; the engine is asked only if it has any."""
    if not state.labels.get(COMPANIONS_LABEL):
        return ()
    instance = state.labels.get(INSTANCE_LABEL)
    return [each for each in _all(engine) if each.labels.get(INSTANCE_LABEL) == instance]


def _all(engine: Engine) -> Sequence[ContainerState]:
    return [each for each in engine.list({LABEL: ""}) if is_companion(each)]


def remove_companions(engine: Engine, belongs: Callable[[str], bool]) -> None:
    """Remove the companions of a server; *belongs* returns whether a directory in a label is its.

    A companion has joined the network of the server's container, which Podman does not remove
    before it.

    Raises:
        EngineError: the engine does not answer, or cannot remove one.
    """
    for state in _all(engine):
        if belongs(state.labels.get(INSTANCE_LABEL, "")):
            with suppress(ContainerNotFound):
                engine.remove(state.id, force=True)


def deserted_companions(states: Sequence[ContainerState]) -> list[ContainerState]:
    """Return the companions among *states* whose server does not run any more.

    A companion is created when its server has been started.
    """
    served = {
        state.labels.get(INSTANCE_LABEL)
        for state in states
        if not is_companion(state) and state.status is not ContainerStatus.EXITED
    }
    return [
        state
        for state in states
        if is_companion(state) and state.labels.get(INSTANCE_LABEL) not in served
    ]


def end_of_companion(
    engine: Engine, server: ContainerState, name: str, model: str, *, lines: int
) -> ServerExited | None:
    """Return why the companion *name* of *server* ended; None if it has not, or *server* has, too.

    Raises:
        EngineError: the engine does not answer.
    """
    if server.status is not ContainerStatus.RUNNING:
        return None
    is_embedder = name.endswith(f"-{EMBEDDINGS}")
    what = f"the {'embeddings server beside the ' if is_embedder else ''}stack of {model}"
    try:
        state = engine.inspect(name)
    except ContainerNotFound:
        cause = "its container was removed by another process"
        return ServerExited(f"{what} ended: {cause}", exit_code=None, log_tail=())
    if state.status in (ContainerStatus.RUNNING, ContainerStatus.CREATED):
        return None
    log: tuple[str, ...] = ()
    with suppress(EngineError):
        log = tuple(engine.logs(state.id, tail=lines))
    cause = (
        (find_runtime(RuntimeName.LLAMA_CPP).explain(log) or "") if is_embedder else explain(log)
    )
    code = "" if state.exit_code is None else f" (exit code {state.exit_code})"
    if state.oom_killed:
        cause = "the kernel killed it because memory ran out"
    reason = f": {one_line(cause, longest=_LONGEST_CAUSE)}" if cause else ""
    msg = f"{what} ended{code}{reason}"
    hint = f"its image is {state.image}; --stack-image names another one"
    if is_embedder:
        hint = "the setting `embedding_model` names another model, or none"
    return ServerExited(msg, hint=hint, exit_code=state.exit_code, log_tail=log)


def check_reachable(
    engine: Engine, plan: LaunchPlan, answers: Callable[[], bool], *, lines: int
) -> None:
    """Give up a server whose companion listens in its container, but does not answer here.

    *answers* returns whether it does.

    Raises:
        ServerNotReady: its image does something else than what is expected of it.
    """
    for spec in plan.companions:
        if spec.labels[COMPANION_LABEL] == EMBEDDINGS:
            continue
        log = tuple(engine.logs(spec.name or "", tail=lines))
        if listens(log) and not answers():
            msg = (
                f"the stack listens in its container, but nothing answers at {plan.endpoint}; "
                f"is {spec.image} an image for --api {plan.container.labels[API_LABEL]}?"
            )
            raise ServerNotReady(msg, hint="use another --stack-image", log_tail=log)


def listens(log: Sequence[str]) -> bool:
    """Return whether the log of a stack says that it answers requests."""
    return any(_LISTENS in line for line in log)


def explain(log: Sequence[str]) -> str:
    """Return why a stack has ended, from its log; "" if the log does not say."""
    for line in reversed(log):
        if ended := re.search(_ENDED, line):
            return ended[0]
        if error := re.match(_ERROR, line):
            return error["error"].strip()
    return ""
