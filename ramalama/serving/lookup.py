"""List model servers, and find out where a server of this user listens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import EngineFailure, OptionRefused
from ramalama.planning.labels import (
    HOST_LABEL,
    INSTANCE_LABEL,
    LABEL,
    PLAN_LABEL,
    PORT_LABEL,
)
from ramalama.planning.plan import reachable
from ramalama.serving.run_dir import ServerDir
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_engines.errors import ContainerNotFound
from ramalama_engines.spec import ContainerStatus
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import ContainerState


_HEALTH = "/health"  # of every runtime


def list_servers(engine: Engine) -> Sequence[ContainerState]:
    """Return all model servers on the engine, of any user, newest first."""
    states = engine.list({LABEL: ""})
    return sorted(states, key=lambda state: str(state.created or ""), reverse=True)


def find_server(engine: Engine, name: str) -> ContainerState:
    """Return the model server with the name *name*, or whose container ID begins with it.

    Raises:
        EngineFailure: there is no such server; containers that are no model servers do not count.
        OptionRefused: several IDs begin with *name*.
    """
    states = list_servers(engine)
    named = [state for state in states if state.name == name]
    found = named or [state for state in states if name and state.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        msg = f"{name!r} is the beginning of {len(found)} model servers' IDs"
        raise OptionRefused(msg, hint="give more of it")
    msg, hint = f"there is no model server {name!r}", "`ramalama ps` lists the model servers"
    raise EngineFailure(ContainerNotFound(msg, hint=hint, engine=engine.kind))


_HIGHEST_PORT = 65535


@frozen()
class RunningServer:
    """A running server of this user, and its endpoint."""

    container: str
    name: str
    directory: ServerDir
    endpoint: Endpoint


def find_by_digest(engine: Engine, run_dir: Path, digest: str) -> Iterator[RunningServer]:
    """Yield this user's running servers that have the label *digest*, shared or not."""
    for state in engine.list({LABEL: "", PLAN_LABEL: digest}):
        found = locate(state, run_dir)
        if found is not None:
            yield found


def locate(state: ContainerState, run_dir: Path) -> RunningServer | None:
    """Return where a server listens; None if it does not run or is not this user's.

    Any user of the engine can write labels. So a directory in a label counts only if it is directly
    below *run_dir*, and exists.
    """
    path = Path(state.labels.get(INSTANCE_LABEL, ""))
    if state.status is not ContainerStatus.RUNNING or path.parent != run_dir.absolute():
        return None
    directory = ServerDir(path)
    endpoint = _endpoint(state, directory)
    if endpoint is None or not path.is_dir():
        return None
    return RunningServer(
        container=state.id, name=state.name, directory=directory, endpoint=endpoint
    )


def _endpoint(state: ContainerState, directory: ServerDir) -> Endpoint | None:
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
