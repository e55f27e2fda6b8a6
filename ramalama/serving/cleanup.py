"""All clean-up of what no process looks after any more: containers, directories, locks.

Processes that are killed leave them behind; a shared server stays until its time is over.
Containers go first, then directories. No process of ours waits for a shared server's end: every
command and every start of the same user looks, and that is when it goes.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.planning.labels import INSTANCE_LABEL, LABEL, OWNER_LABEL
from ramalama.serving.run_dir import ServerDir
from ramalama.serving.usage import START_SUFFIX, SUFFIX, SharedServer, is_shared, process_in
from ramalama.system.process_identity import ProcessIdentity, ProcessState
from ramalama_engines.errors import EngineError
from ramalama_engines.spec import ContainerStatus

if TYPE_CHECKING:
    from ramalama.serving.usage import UserRecords
    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import ContainerState


_log = logging.getLogger("ramalama.orphans")

# An owner that we cannot see (before the last boot, in a toolbox) is given so long to look after
# a container that does not run.
_GRACE = timedelta(minutes=10)


def remove_orphaned(engine: Engine, run_dir: Path) -> int:
    """Remove all that no process looks after, and return how many containers that were.

    An engine that does not play along is no reason to fail: the next command tries again.
    """
    removed = _remove_unused_servers(engine, run_dir) + _remove_containers(engine)
    remove_directories(run_dir)
    _remove_start_locks(run_dir)
    return removed


def remove_shared(engine: Engine, directory: ServerDir) -> None:
    """Remove what a shared server has on the disk, whoever uses it, now that it was stopped."""
    with suppress(OSError), SharedServer(directory).locked() as users:
        if not engine.list({LABEL: "", INSTANCE_LABEL: str(directory.path)}):
            directory.remove()
            users.close()


def is_orphaned(state: ContainerState, *, now: datetime) -> bool:
    """Return whether no process will look after a container any more.

    Containers without a lease (upstream's) are nobody's orphans. Of one that is shared its users'
    leases decide; where we may not look whether it is, it is another user's to decide.
    """
    instance = state.labels.get(INSTANCE_LABEL)
    if instance and is_shared(Path(instance)) is not False:
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
    """Remove the directories of dead owners, as far as that goes, and return how many those were.

    A shared server's outlives its owner: see `ramalama.serving.usage`.
    """
    removed = 0
    try:
        directories = tuple(run_dir.iterdir())
    except OSError:
        return 0
    for directory in directories:
        identity = process_in(directory.name)
        if directory.suffix or is_shared(directory):
            continue
        if identity is not None and identity.state() is ProcessState.DEAD:
            with suppress(OSError):  # one that cannot be removed must not keep the others
                ServerDir(directory).remove()
                removed += 1
    return removed


def _remove_unused_servers(engine: Engine, run_dir: Path) -> int:
    """Remove the shared servers that nobody uses any more, and that have stayed long enough."""
    removed = 0
    for path in run_dir.glob(f"*{SUFFIX}"):
        directory = ServerDir(path.with_suffix(""))
        try:
            with SharedServer(directory).locked() as users:
                removed += _remove_if_over(engine, directory, users)
        except (EngineError, OSError) as exc:
            _log.info("could not look after the shared server of %s: %s", directory.path, exc)
    return removed


def _remove_if_over(engine: Engine, directory: ServerDir, users: UserRecords) -> int:
    over = users.is_over()
    if users.is_used():
        return 0
    states = engine.list({LABEL: "", INSTANCE_LABEL: str(directory.path)})
    removed = sum(_remove(engine, state) for state in states) if over else 0
    if removed < len(states):
        return removed
    # What was not found here may be on the user's other engine.
    if states or users.engine == engine.url or (over and users.keep_alive is None):
        directory.remove()
        users.close()
    return removed


def _remove_containers(engine: Engine) -> int:
    try:
        states = engine.list({LABEL: ""})
    except EngineError as exc:
        _log.info("could not look for what dead owners left: %s", exc)
        return 0
    now = datetime.now(UTC)
    return sum(_remove(engine, state) for state in states if is_orphaned(state, now=now))


def _remove(engine: Engine, state: ContainerState) -> bool:
    try:
        engine.remove(state.id, force=True)
    except EngineError as exc:
        _log.info("could not remove %s, which nobody needs: %s", state.name, exc)
        return False
    _log.info("removed %s, which nobody needs", state.name)
    return True


def _remove_start_locks(run_dir: Path) -> None:
    """Remove the locks of those who were killed while they started a server to share."""
    locks = tuple(run_dir.glob(f"*{START_SUFFIX}"))
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
