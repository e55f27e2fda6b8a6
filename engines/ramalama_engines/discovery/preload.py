"""Import the SDK of an engine while the way to it is opened."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import TYPE_CHECKING

from ramalama_engines.discovery.lazy_imports import lazy_imports
from ramalama_engines.kinds import EngineKind

# What asks the engine imports this at the same time. No two threads should import parts of one
# package that need each other.
from ramalama_engines.rest import ping as _ping  # noqa: F401

if TYPE_CHECKING:
    from ramalama_engines.discovery.connection import EngineChoice
    from ramalama_engines.discovery.locate import Candidate

_ADAPTERS = {
    EngineKind.PODMAN: "ramalama_engines.podman.engine",
    EngineKind.DOCKER: "ramalama_engines.docker.engine",
}


def import_meanwhile(candidate: Candidate, choice: EngineChoice | None) -> None:
    """Begin to import the adapter of the engine that is expected at the address, if it is known.

    An import takes 50 ms, as long as a host takes to let us in, in which this process only waits.
    """
    kind = choice.kind if choice else candidate.kind or _named_in(candidate.url)
    if kind is not None:
        name = f"import of {_ADAPTERS[kind]}"
        threading.Thread(target=_import, args=(_ADAPTERS[kind],), name=name, daemon=True).start()


def _named_in(url: str) -> EngineKind | None:
    """Return the only kind whose name the path of *url* has."""
    path = url.partition("://")[2].partition("/")[2]
    named = [kind for kind in EngineKind if kind in path]
    return named[0] if len(named) == 1 else None


def _import(module: str) -> None:
    with lazy_imports():
        import_module(module)
