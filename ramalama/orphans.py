"""Remove what a dead owner left: containers first, then directories."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ramalama.lease import Lease, Owner
from ramalama.planning import LABEL, OWNER_LABEL
from ramalama.rundir import remove_orphans
from ramalama_engines.errors import EngineError
from ramalama_engines.values import ContainerStatus

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama_engines.base import Engine
    from ramalama_engines.values import ContainerState

_log = logging.getLogger("ramalama.orphans")

# An owner whom we cannot see (before the last boot, in a toolbox) is given so long to look after
# a container that does not run.
_GRACE = timedelta(minutes=10)


def remove_orphaned(engine: Engine, run_dir: Path) -> int:
    """Remove every container and directory whose owner is dead, and say how many containers.

    An engine that does not play along is no reason to fail: the next command tries again.
    """
    removed = 0
    try:
        states = engine.list({LABEL: ""})
    except EngineError as exc:
        _log.info("could not look for what dead owners left: %s", exc)
        states = ()
    for state in states:
        if is_orphaned(state, now=datetime.now(UTC)):
            removed += _remove(engine, state)
    remove_orphans(run_dir)
    return removed


def _remove(engine: Engine, state: ContainerState) -> bool:
    try:
        engine.remove(state.id, force=True)
    except EngineError as exc:
        _log.info("could not remove %s, whose owner is gone: %s", state.name, exc)
        return False
    _log.info("removed %s, whose owner is gone", state.name)
    return True


def is_orphaned(state: ContainerState, *, now: datetime) -> bool:
    """Tell whether nobody will look after a container any more.

    Containers without a lease (upstream's, or started to stay) are nobody's orphans.
    """
    lease = Lease.parse(state.labels.get(OWNER_LABEL, ""))
    if lease is None:
        return False
    match lease.owner():
        case Owner.ALIVE:
            return False
        case Owner.DEAD:
            return True
        case Owner.UNKNOWN:
            ended = state.status in (ContainerStatus.EXITED, ContainerStatus.CREATED)
            return ended and state.created is not None and now - state.created > _GRACE
