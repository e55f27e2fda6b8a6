"""Import the SDK of an engine while the way to it is opened."""

from __future__ import annotations

import threading
from importlib import import_module

from ramalama_engines.discovery.lazy_imports import lazy_imports
from ramalama_engines.kinds import EngineKind

# What asks the engine imports this at the same time. No two threads should import parts of one
# package that need each other.
from ramalama_engines.rest import ping as _ping  # noqa: F401


def import_meanwhile(kind: EngineKind | None, url: str) -> None:
    """Begin to import the adapter of *kind*, or else of the kind that the path of *url* names.

    An import takes 50 ms, as long as a host takes to let us in, in which this process only waits.
    """
    if expected := kind or _named_in(url):
        name = f"import of {expected}"
        threading.Thread(target=_import, args=(expected,), name=name, daemon=True).start()


def _named_in(url: str) -> EngineKind | None:
    """Return the only kind whose name the path of *url* has."""
    path = url.partition("://")[2].partition("/")[2]
    named = [kind for kind in EngineKind if kind in path]
    return named[0] if len(named) == 1 else None


def _import(kind: EngineKind) -> None:
    with lazy_imports():
        import_module(f"ramalama_engines.{kind}.engine")
