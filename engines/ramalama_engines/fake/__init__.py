"""An engine in memory, for tests."""

from __future__ import annotations

from ramalama_engines.fake.engine import FakeEngine

__all__ = ["FakeEngine"]
