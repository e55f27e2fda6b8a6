"""The model servers that there are: found by name, described, attached to."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import EngineFailure, OptionRefused, RamalamaError
from ramalama.models.reference.reference import ModelRef
from ramalama.models.store.stored_model import StoredModel
from ramalama.planning.labels import (
    ALIAS_LABEL,
    HOST_LABEL,
    INSTANCE_LABEL,
    LABEL,
    MODEL_LABEL,
    PLAN_LABEL,
    PORT_LABEL,
    RUNTIME_LABEL,
)
from ramalama.planning.plan import LaunchPlan, reachable
from ramalama.runtimes import find_runtime
from ramalama.runtimes.base import ServerSpec
from ramalama.serving.container import ServerContainer
from ramalama.serving.exit_report import ExitReporter
from ramalama.serving.exit_watch import ExitPoll
from ramalama.serving.handle import ServerHandle
from ramalama.serving.health import probe
from ramalama.serving.run_dir import ServerDir
from ramalama.serving.server import ModelServer
from ramalama_accel.runtime_name import RuntimeName
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_engines.errors import ContainerNotFound
from ramalama_engines.spec import ContainerSpec, ContainerStatus
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ramalama.models.library import Models
    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import ContainerState


_HEALTH = "/health"  # of every runtime


def list_servers(engine: Engine) -> Sequence[ContainerState]:
    """List the model servers on the engine, whoever started them, newest first."""
    states = engine.list({LABEL: ""})
    return sorted(states, key=lambda state: str(state.created or ""), reverse=True)


def find_server(engine: Engine, name: str) -> ContainerState:
    """Find a model server by its name, or by the beginning of its ID.

    Raises:
        EngineFailure: there is none; other containers are none of our business.
        OptionRefused: it is the beginning of several IDs.
    """
    states = list_servers(engine)
    named = [state for state in states if state.name == name]
    found = named or [state for state in states if name and state.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        msg = f"{name!r} is the beginning of {len(found)} model servers' IDs"
        raise OptionRefused(msg, hint="give more of it")
    msg, hint = f"there is no model server {name!r}", "`ramalama ps` lists those that are there"
    raise EngineFailure(ContainerNotFound(msg, hint=hint, engine=engine.kind))


def attach_by_name(engine: Engine, run_dir: Path, models: Models, name: str) -> ModelServer:
    """Become a user of the server *name*, which this user has started in whatever process.

    Raises:
        EngineFailure: there is none.
        OptionRefused: it does not run, or cannot be reached from here.
    """
    state = find_server(engine, name)
    found = locate(state, run_dir)
    runtime = next((each for each in RuntimeName if each == state.labels.get(RUNTIME_LABEL)), None)
    if found is None or runtime is None:
        msg = f"the model server {name!r} does not run, or was not started by this user"
        raise OptionRefused(msg)
    instance = ServerContainer(engine, found.directory, container=found.container)
    handle = ServerHandle.join(engine, found.directory, instance, keep_alive=0.0)
    plan = _plan(state, found, models)
    exit_reporter = ExitReporter(
        engine=engine,
        container=found.container,
        runtime=find_runtime(runtime),
        model=str(plan.model.reference),
    )
    watch = ExitPoll(
        engine, found.container, lambda: probe(found.endpoint, plan.server.health_path) is not None
    )
    return ModelServer(
        plan, found.endpoint, handle=handle, watch=watch, exit_reporter=exit_reporter
    )


def _plan(state: ContainerState, found: RunningServer, models: Models) -> LaunchPlan:
    """Tell what its labels do of a server that was planned elsewhere."""
    text = state.labels.get(MODEL_LABEL, "")
    try:
        reference = ModelRef.parse(text)
    except RamalamaError as exc:
        msg = f"the model server {state.name!r} does not tell which model it serves"
        raise OptionRefused(msg) from exc
    model = None
    with suppress(RamalamaError):  # removed since; the server has it all the same
        model = models.find(reference)
    return LaunchPlan(
        model=model or StoredModel(reference=reference, weights=()),
        alias=state.labels.get(ALIAS_LABEL, ""),
        server=ServerSpec(entrypoint=None, argv=(), health_path=_HEALTH),
        container=ContainerSpec(image=state.image, name=state.name, labels=state.labels),
        endpoint=found.endpoint,
    )


_HIGHEST_PORT = 65535


@frozen()
class RunningServer:
    """A server that runs, and that this user can reach."""

    container: str
    name: str
    directory: ServerDir
    endpoint: Endpoint


def find_by_plan(engine: Engine, run_dir: Path, digest: str) -> Iterator[RunningServer]:
    """Yield the servers of this user that run with the plan of this *digest*, shared or not."""
    for state in engine.list({LABEL: "", PLAN_LABEL: digest}):
        found = locate(state, run_dir)
        if found is not None:
            yield found


def locate(state: ContainerState, run_dir: Path) -> RunningServer | None:
    """Say where a server of this user is reached; None for one that does not run, or another's.

    Labels are anybody's to write: what they say of this user's directories is compared with them.
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
