"""Find a server that runs already, and where it is reached: by its labels and its directory."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.planning import (
    HOST_LABEL,
    INSTANCE_LABEL,
    LABEL,
    PLAN_LABEL,
    PORT_LABEL,
    reachable,
)
from ramalama.readiness import raise_if_set
from ramalama.rundir import InstanceDir, ensure_private
from ramalama.sharing import START_SUFFIX
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_engines.spec import ContainerStatus
from ramalama_values import frozen

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator, Iterable, Iterator

    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import ContainerState

_PAUSE = 0.05  # seconds
_HIGHEST_PORT = 65535


@frozen()
class Found:
    """A server that runs, and that this user can reach."""

    container: str
    name: str
    directory: InstanceDir
    endpoint: Endpoint


def find_by_plan(engine: Engine, run_dir: Path, digest: str) -> Iterator[Found]:
    """Yield the servers of this user that run with the plan of this *digest*, shared or not."""
    for state in engine.list({LABEL: "", PLAN_LABEL: digest}):
        found = reach(state, run_dir)
        if found is not None:
            yield found


def reach(state: ContainerState, run_dir: Path) -> Found | None:
    """Say where a server of this user is reached; None for one that does not run, or another's.

    Labels are anybody's to write: what they say of this user's directories is compared with them.
    """
    path = Path(state.labels.get(INSTANCE_LABEL, ""))
    if state.status is not ContainerStatus.RUNNING or path.parent != run_dir.absolute():
        return None
    directory = InstanceDir(path)
    endpoint = _endpoint(state, directory)
    if endpoint is None or not path.is_dir():
        return None
    return Found(container=state.id, name=state.name, directory=directory, endpoint=endpoint)


def _endpoint(state: ContainerState, directory: InstanceDir) -> Endpoint | None:
    if state.ports:
        host, port = state.ports[0].host_address, state.ports[0].host_port
    elif PORT_LABEL in state.labels:
        host, text = state.labels.get(HOST_LABEL, "127.0.0.1"), state.labels[PORT_LABEL]
        port = int(text) if text.isdecimal() and len(text) <= len(str(_HIGHEST_PORT)) else 0
    else:
        return UnixEndpoint(path=str(directory.socket))
    if not 0 < port <= _HIGHEST_PORT:
        return None
    return TcpEndpoint(host=reachable(host), port=port, api_key=directory.read_api_key())


@contextmanager
def starting(
    run_dir: Path, digest: str, *, on_wait: Callable[[], None], cancel: threading.Event | None
) -> Generator[None]:
    """Let nobody else look for a server with this plan, or start one, for the length of a block.

    *on_wait* is called once if another does so now. The kernel gives the lock back when its holder
    dies.

    Raises:
        ConfigError: the directory is not this user's alone.
        StartCancelled: *cancel* was set while we waited.
    """
    ensure_private(run_dir)
    path = run_dir / f"{digest}{START_SUFFIX}"
    waited = False
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if _is_locked(handle, path):
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
                return
        finally:
            os.close(handle)
        if not waited:
            on_wait()
        waited = True
        raise_if_set(cancel)
        time.sleep(_PAUSE)


def remove_abandoned(locks: Iterable[Path]) -> None:
    """Remove those of the *locks* that `starting` made and nobody holds any more."""
    for path in locks:
        with suppress(OSError):
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                if _is_locked(handle, path):
                    path.unlink()
            finally:
                os.close(handle)


def _is_locked(handle: int, path: Path) -> bool:
    """Try to take the lock; False if another has it, or has removed the file since."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), path.lstat())
    except (BlockingIOError, FileNotFoundError):
        return False
