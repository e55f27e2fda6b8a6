"""The identity of an engine: the facts that are known without a request to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ramalama_values import frozen

if TYPE_CHECKING:
    from ramalama_engines.engine import Engine
    from ramalama_engines.kinds import EngineKind


@frozen()
class EngineIdentity:
    """The identity of an engine, which can be saved and used without opening the engine.

    Opening an engine imports its SDK, which is slow. A program that uses a running container often
    needs no request to the engine at all.
    """

    kind: EngineKind
    url: str
    rootless: bool

    @classmethod
    def of(cls, engine: Engine) -> Self:
        """Return the identity of an open *engine*."""
        return cls(kind=engine.kind, url=engine.url, rootless=engine.rootless)
