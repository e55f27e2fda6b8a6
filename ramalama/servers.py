"""The model servers that there are: found by name, described, attached to."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.errors import EngineFailure, OptionRefused, RamalamaError
from ramalama.finding import reach
from ramalama.instance import Instance
from ramalama.planning import ALIAS_LABEL, LABEL, MODEL_LABEL, RUNTIME_LABEL, LaunchPlan
from ramalama.readiness import ExitPoll, probe
from ramalama.reference import ModelRef
from ramalama.runtimes import find_runtime
from ramalama.runtimes.base import ServerSpec
from ramalama.server import ModelServer, PostMortem
from ramalama.store.models import StoredModel
from ramalama.tenancy import Tenancy
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines.errors import ContainerNotFound
from ramalama_engines.spec import ContainerSpec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ramalama.finding import Found
    from ramalama.models import Models
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
        msg = f"{name!r} is the beginning of {len(found)} model servers' IDs; give more of it"
        raise OptionRefused(msg)
    msg = f"there is no model server {name!r}; `ramalama ps` lists those that are there"
    raise EngineFailure(ContainerNotFound(msg, engine=engine.kind))


def attach_by_name(engine: Engine, run_dir: Path, models: Models, name: str) -> ModelServer:
    """Become a user of the server *name*, which this user has started in whatever process.

    Raises:
        EngineFailure: there is none.
        OptionRefused: it does not run, or cannot be reached from here.
    """
    state = find_server(engine, name)
    found = reach(state, run_dir)
    runtime = next((each for each in RuntimeName if each == state.labels.get(RUNTIME_LABEL)), None)
    if found is None or runtime is None:
        msg = f"the model server {name!r} does not run, or was not started by this user"
        raise OptionRefused(msg)
    instance = Instance(engine, found.directory, container=found.container)
    tenancy = Tenancy.join(engine, found.directory, instance, keep_alive=0.0)
    plan = _plan(state, found, models)
    post_mortem = PostMortem(
        engine=engine,
        container=found.container,
        runtime=find_runtime(runtime),
        model=str(plan.model.reference),
    )
    watch = ExitPoll(
        engine, found.container, lambda: probe(found.endpoint, plan.server.health_path) is not None
    )
    return ModelServer(plan, found.endpoint, tenancy=tenancy, watch=watch, post_mortem=post_mortem)


def _plan(state: ContainerState, found: Found, models: Models) -> LaunchPlan:
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
