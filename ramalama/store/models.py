"""A model on this machine's disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.reference import ModelRef


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A model that is complete on this machine.

    *weights* are absolute paths, one file or all parts of a split model, the first part first.
    """

    reference: ModelRef
    weights: tuple[Path, ...]
