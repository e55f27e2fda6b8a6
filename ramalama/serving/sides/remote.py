"""Another host."""

from __future__ import annotations

from ramalama.serving.sides.side import LocalSide


class RemoteSide(LocalSide):
    def __init__(self, engine: object, run_dir: object) -> None: ...
