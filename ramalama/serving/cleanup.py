"""Remove containers, directories and locks that no process needs any more.

They are left behind by processes that were killed, and by shared servers whose keep-alive time is
over. Containers are removed first, then directories. For the end of a keep-alive time only an
open `Ramalama` waits: see `kept`. Otherwise each command and each start of the same user checks,
and removes the server then.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.planning.labels import (
    COMPANION_LABEL,
    INSTANCE_LABEL,
    LABEL,
    OWNER_LABEL,
    UPLOAD_LABEL,
)
from ramalama.serving.image_labels import is_labelled
from ramalama.serving.run_dir import CLEANUP_TIME, REMOVING_SUFFIX, ServerDir
from ramalama.serving.sides.find import side_of
from ramalama.serving.usage import (
    SENDING_SUFFIX,
    START_SUFFIX,
    SUFFIX,
    SharedServer,
    is_shared,
    process_in,
)
from ramalama.system.process_identity import ProcessIdentity, ProcessState
from ramalama_engines.errors import EngineError
from ramalama_engines.spec import ContainerStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ramalama.serving.sides.side import EngineSide
    from ramalama.serving.usage import UserRecords
    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import ContainerState


_log = logging.getLogger("ramalama.orphans")

# How old a container that does not run must be to be removed, if it is unknown whether its owner
# still runs (the owner is from before the last boot, or in another PID namespace).
_GRACE = timedelta(minutes=10)

_UNIX = "unix://"


def remove_orphaned(engine: Engine, run_dir: Path) -> int:
    """Remove all that no process needs any more, and return the number of removed containers.

    An error of the engine is only logged: the next command tries again.
    """
    removed = _remove_unused_servers(engine, run_dir) + _remove_containers(engine, run_dir)
    remove_directories(run_dir)
    try:
        side_of(engine, run_dir).sweep()
    except EngineError as exc:
        _log.info("could not remove what was left on the engine's host: %s", exc)
    _remove_start_locks(run_dir)
    return removed


def remove_shared(engine: Engine, directory: ServerDir) -> None:
    """Remove the files of a shared server that was stopped, even if it still has users."""
    with suppress(OSError), SharedServer(directory).locked() as users:
        if not _containers_of(engine, directory):
            side_of(engine, directory.path.parent).remove_directory(directory)
            users.close()


def remove_files(engine: Engine, state: ContainerState, run_dir: Path) -> None:
    """Remove the directory of a server that was stopped and that this user has not started here."""
    side = side_of(engine, run_dir)
    if not side.is_here:
        side.remove_directory(_instance_of(state, run_dir))


def is_orphaned(state: ContainerState, run_dir: Path, *, now: datetime) -> bool:
    """Return whether the process that owns a container has ended, so that it must be removed.

    False for a container without an owner label, such as upstream's. Also False for a shared
    server, which has its own rules (see `ramalama.serving.usage`), and for a container whose
    directory only another user may read.
    """
    # The path in the label may lead nowhere for this process, although the records are there.
    instance = Path(state.labels.get(INSTANCE_LABEL, ""))
    if any(is_shared(path) is not False for path in (instance, run_dir / instance.name)):
        return False
    identity = ProcessIdentity.parse(state.labels.get(OWNER_LABEL, ""))
    if identity is None:
        return False
    match identity.state():
        case ProcessState.ALIVE:
            return False
        case ProcessState.DEAD:
            return True
        case ProcessState.UNKNOWN:
            ended = state.status in (ContainerStatus.EXITED, ContainerStatus.CREATED)
            return ended and state.created is not None and now - state.created > _GRACE


def remove_directories(run_dir: Path) -> int:
    """Remove the directories of processes that have ended, and return how many were removed.

    The directory of a shared server is kept: see `ramalama.serving.usage`.
    """
    removed = 0
    until = time.monotonic() + CLEANUP_TIME
    try:
        directories = tuple(run_dir.iterdir())
    except OSError:
        return 0
    for directory in directories:
        identity = process_in(directory.name)
        begun = directory.suffix == REMOVING_SUFFIX
        if not begun and (directory.suffix or is_shared(directory)):
            continue
        if begun or (identity is not None and identity.state() is ProcessState.DEAD):
            removed += ServerDir(directory).remove(seconds=max(0.0, until - time.monotonic()))
    return removed


def _remove_unused_servers(engine: Engine, run_dir: Path) -> int:
    """Remove the shared servers that have no users and whose keep-alive time is over."""
    removed = 0
    for path in run_dir.glob(f"*{SUFFIX}"):
        directory = ServerDir(path.with_suffix(""))
        try:
            with SharedServer(directory).locked() as users:
                removed += _remove_if_over(engine, directory, users)
        except (EngineError, OSError) as exc:
            _log.info("could not check the shared server of %s: %s", directory.path, exc)
    return removed


def _remove_if_over(engine: Engine, directory: ServerDir, users: UserRecords) -> int:
    over = users.is_over()
    if users.is_used():
        return 0
    states = _containers_of(engine, directory)
    removed = sum(_remove(engine, state) for state in _in_order(states)) if over else 0
    if removed < len(states):
        return removed
    # A container that was not found may be on another engine of the user.
    on_this_engine = is_same_address(users.engine, engine.url)
    if states or on_this_engine or (over and users.keep_alive is None):
        side_of(engine, directory.path.parent).remove_directory(directory)
        users.close()
    return removed


def _containers_of(engine: Engine, directory: ServerDir) -> Sequence[ContainerState]:
    states = engine.list({LABEL: ""})
    return [state for state in states if directory.is_at(state.labels.get(INSTANCE_LABEL, ""))]


def is_same_address(one: str, other: str) -> bool:
    """Return whether both are the address of one engine; a socket's path has many spellings."""
    if one == other:
        return True
    paths = [text.removeprefix(_UNIX) for text in (one, other) if text.startswith(_UNIX)]
    return len(paths) > 1 and os.path.realpath(paths[0]) == os.path.realpath(paths[1])


def _remove_containers(engine: Engine, run_dir: Path) -> int:
    try:
        ours = engine.list({OWNER_LABEL: ""})
    except EngineError as exc:
        _log.info("could not list the containers left behind by other processes: %s", exc)
        return 0
    _remove_helpers(engine, [state for state in ours if LABEL not in state.labels])
    states = [state for state in ours if LABEL in state.labels]
    now = datetime.now(UTC)
    removed = [state for state in states if is_orphaned(state, run_dir, now=now)]
    if any(map(_is_companion, states)):
        from ramalama.serving.companions import (  # noqa: PLC0415 (rarely needed)
            deserted_companions,
        )

        removed += [each for each in deserted_companions(states) if each not in removed]
    removed = [state for state in _in_order(removed) if _remove(engine, state)]
    side = side_of(engine, run_dir)
    deserted = [state for state in states if state not in removed and _is_deserted(state, side)]
    for state in _in_order(deserted):
        if _remove(engine, state):
            side.remove_directory(_instance_of(state, run_dir))
            removed.append(state)
    return len(removed)


def _in_order(states: Iterable[ContainerState]) -> Sequence[ContainerState]:
    """Return *states* as they can be removed: the container that others have joined at the end."""
    return sorted(states, key=lambda state: not _is_companion(state))


def _is_companion(state: ContainerState) -> bool:
    return bool(state.labels.get(COMPANION_LABEL))


def _instance_of(state: ContainerState, run_dir: Path) -> ServerDir:
    """Return the directory that a server of another host would have here."""
    return ServerDir(run_dir / Path(state.labels.get(INSTANCE_LABEL, "")).name)


def _is_deserted(state: ContainerState, side: EngineSide) -> bool:
    """Return whether a server of another host, or of an earlier boot, has lost its owner."""
    identity = ProcessIdentity.parse(state.labels.get(OWNER_LABEL, ""))
    if side.is_here or identity is None or identity.state() is not ProcessState.UNKNOWN:
        return False
    try:
        return side.is_over(Path(state.labels.get(INSTANCE_LABEL, "")).name)
    except EngineError as exc:
        _log.info("could not ask for the lease of %s: %s", state.name, exc)
        return False


def _remove_helpers(engine: Engine, states: Sequence[ContainerState]) -> None:
    """Remove the containers that only brought or read files, if their processes have ended."""
    helpers = [state for state in states if UPLOAD_LABEL in state.labels]
    if not helpers:
        return
    from ramalama.serving.sides.worker import (  # noqa: PLC0415 (hardly ever needed)
        remove_if_abandoned,
    )

    for state in helpers:
        try:
            remove_if_abandoned(engine, state)
        except EngineError as exc:
            _log.info("could not remove the unused container %s: %s", state.name, exc)


def _remove(engine: Engine, state: ContainerState) -> bool:
    try:
        if not is_labelled(engine, state):
            return False
        engine.remove(state.id, force=True)
    except EngineError as exc:
        _log.info("could not remove the unused container %s: %s", state.name, exc)
        return False
    _log.info("removed the unused container %s", state.name)
    return True


def _remove_start_locks(run_dir: Path) -> None:
    """Remove the lock files of processes that were killed while they started a server."""
    suffixes = (START_SUFFIX, SENDING_SUFFIX)
    locks = [path for suffix in suffixes for path in run_dir.glob(f"*{suffix}")]
    if not locks:
        return
    from ramalama.system.locks import (  # noqa: PLC0415 (hardly ever needed)
        InUse,
        locked,
        refuse_to_wait,
    )

    for path in locks:
        with suppress(InUse, OSError), locked(path, on_wait=refuse_to_wait, permissions=0o600):
            path.unlink()
