"""List model servers, and find out where a server of this user listens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.config.defaults import LOOPBACK
from ramalama.errors import EngineFailure, OptionRefused
from ramalama.planning.labels import (
    COMPANION_LABEL,
    COMPANIONS_LABEL,
    HOST_LABEL,
    INSTANCE_LABEL,
    LABEL,
    PLAN_LABEL,
    PORT_LABEL,
    companion_names,
)
from ramalama.planning.plan import reachable
from ramalama.serving.image_labels import is_labelled
from ramalama.serving.run_dir import ServerDir
from ramalama.serving.usage import process_in
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_engines.errors import ContainerNotFound
from ramalama_engines.spec import ContainerStatus, PortBinding
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ramalama.serving.sides.side import EngineSide
    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import ContainerState


_HEALTH = "/health"  # of every runtime


def list_servers(engine: Engine) -> Sequence[ContainerState]:
    """Return all model servers on the engine, of any user, newest first."""
    return [each for each in _list_all(engine) if not each.labels.get(COMPANION_LABEL)]


def _list_all(engine: Engine) -> Sequence[ContainerState]:
    """Return all model servers, and the containers beside them."""
    states = [state for state in engine.list({LABEL: ""}) if is_labelled(engine, state)]
    return sorted(states, key=lambda state: str(state.created or ""), reverse=True)


def find_server(engine: Engine, name: str, *, companions: bool = False) -> ContainerState:
    """Return the model server with the name *name*, or whose container ID begins with it.

    With *companions*, the containers beside servers can be named, too.

    Raises:
        EngineFailure: there is no such server; containers that are no model servers do not count.
        OptionRefused: several IDs begin with *name*.
    """
    states = _list_all(engine) if companions else list_servers(engine)
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
    """A running server of this user, and its endpoint; *forwarded_to* is as in `ModelServer`.

    *companions* are the names of the containers beside it.
    """

    container: str
    name: str
    directory: ServerDir
    endpoint: Endpoint
    companions: tuple[str, ...] = ()
    forwarded_to: str = ""

    def seen_from(self, side: EngineSide, *, port: int | None = None) -> RunningServer:
        """Return the same server with its endpoint on this host, if *side* is that of the engine.

        *port* is as for `EngineSide.endpoint`.

        Raises:
            EngineUnavailable: the engine's host does not answer.
        """
        endpoint = side.endpoint(self.endpoint, self.directory, port=port)
        forwarded_to = "" if endpoint == self.endpoint else side.name
        return replace(self, endpoint=endpoint, forwarded_to=forwarded_to)


def find_by_digest(engine: Engine, run_dir: Path, digest: str) -> Iterator[RunningServer]:
    """Yield this user's running servers that have the label *digest*, shared or not."""
    for state in engine.list({LABEL: "", PLAN_LABEL: digest}):
        found = locate(engine, state, run_dir)
        if found is not None:
            yield found


def locate(engine: Engine, state: ContainerState, run_dir: Path) -> RunningServer | None:
    """Return where a server listens; None if it does not run or is not this user's.

    The endpoint is one of the engine's host: see `EngineSide.endpoint`.

    That depends on the server's network, for which the engine is asked again: a server without a
    network is reached on its socket, whatever its labels are.

    Raises:
        EngineError: the engine does not answer.
    """
    directory = directory_of(state, run_dir)
    if state.status is not ContainerStatus.RUNNING or directory is None:
        return None
    try:
        endpoint = _endpoint(engine.inspect(state.id), directory)
    except ContainerNotFound:  # removed meanwhile
        return None
    if endpoint is None:
        return None
    return RunningServer(
        container=state.id,
        name=state.name,
        directory=directory,
        endpoint=endpoint,
        companions=companion_names(state.name, state.labels.get(COMPANIONS_LABEL, "")),
    )


def directory_of(state: ContainerState, run_dir: Path) -> ServerDir | None:
    """Return the directory of a server of this user; None if it is another user's, or was removed.

    Any user of the engine can write labels. So a directory in a label counts only if it is directly
    below *run_dir*, however that is spelled, and belongs to this user.
    """
    label = state.labels.get(INSTANCE_LABEL, "")
    directory = ServerDir(run_dir.absolute() / Path(label).name)
    if process_in(directory.path.name) is None or not directory.is_own():
        return None
    return directory if directory.is_at(label) else None


def _endpoint(state: ContainerState, directory: ServerDir) -> Endpoint | None:
    match state.network:
        case "none":
            return UnixEndpoint(path=str(directory.socket))
        case "host":  # the engine publishes nothing; `planning.plan` has set these labels
            host, port = state.labels.get(HOST_LABEL) or LOOPBACK, _read_port(state)
        case _:
            published = state.ports[0] if state.ports else PortBinding(container_port=0)
            host, port = published.host_address, published.host_port
    if not 0 < port <= _HIGHEST_PORT:
        return None
    return TcpEndpoint(host=reachable(host), port=port, api_key=directory.read_api_key())


def _read_port(state: ContainerState) -> int:
    """Return the port in the label; 0 if it is not a number, or too large to be a port."""
    text = state.labels.get(PORT_LABEL, "")
    return int(text) if text.isdecimal() and len(text) <= len(str(_HIGHEST_PORT)) else 0
