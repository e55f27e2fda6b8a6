"""Collect what a plan needs of the hosts, and choose the random values of one server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ramalama.planning.inputs import LaunchEnvironment
from ramalama.serving.run_dir import new_server_dir
from ramalama.system.process_identity import ProcessIdentity

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.serving.sides.side import EngineSide
    from ramalama_engines import Engine
    from ramalama_engines.discovery.engine_identity import EngineIdentity

_NAME_BYTES = 5
_API_KEY_BYTES = 32


def draw_environment(
    engine: Engine | EngineIdentity, run_dir: Path, side: EngineSide
) -> LaunchEnvironment:
    """Choose a name, an API key and a directory for a new server on *engine*; create nothing.

    Raises:
        ConfigError: the path of *run_dir* is too long for a socket.
    """
    uid, gid = side.user
    identity = ProcessIdentity.of_this_process()
    return LaunchEnvironment(
        engine=engine.kind,
        rootless=engine.rootless,
        uid=uid,
        gid=gid,
        threads=side.threads,
        instance=new_server_dir(run_dir, identity),
        identity=identity,
        container_name=f"ramalama-{os.urandom(_NAME_BYTES).hex()}",
        api_key=os.urandom(_API_KEY_BYTES).hex(),
        placement=side.placement,
    )
