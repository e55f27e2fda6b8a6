"""Collect what a plan needs of this host, and choose the random values of one server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ramalama.planning.inputs import LaunchEnvironment
from ramalama.serving.run_dir import new_server_dir
from ramalama.system.process_identity import ProcessIdentity
from ramalama.system.resources import default_threads

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama_engines.discovery.engine_identity import EngineIdentity

_NAME_BYTES = 5
_API_KEY_BYTES = 32


def draw_environment(engine: EngineIdentity, run_dir: Path) -> LaunchEnvironment:
    """Choose a name, an API key and a directory for a new server on *engine*; create nothing.

    Raises:
        ConfigError: the path of *run_dir* is too long for a socket.
    """
    identity = ProcessIdentity.of_this_process()
    return LaunchEnvironment(
        engine=engine.kind,
        rootless=engine.rootless,
        uid=os.getuid(),
        gid=os.getgid(),
        threads=default_threads(),
        instance=new_server_dir(run_dir, identity),
        identity=identity,
        container_name=f"ramalama-{os.urandom(_NAME_BYTES).hex()}",
        api_key=os.urandom(_API_KEY_BYTES).hex(),
    )
