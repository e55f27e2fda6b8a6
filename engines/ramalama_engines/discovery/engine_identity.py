"""What is known of an engine without asking it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ramalama_values import frozen

if TYPE_CHECKING:
    from ramalama_engines.engine import Engine
    from ramalama_engines.kinds import EngineKind


@frozen()
class EngineIdentity:
    """Which engine it is.

    It can be written down and read again. To open an engine imports its SDK, which takes longer
    than all that is asked of an engine by a program that uses a container that runs: often nothing.
    """

    kind: EngineKind
    url: str
    rootless: bool

    @classmethod
    def of(cls, engine: Engine) -> Self:
        """Return the identity of an engine that is open."""
        return cls(kind=engine.kind, url=engine.url, rootless=engine.rootless)
