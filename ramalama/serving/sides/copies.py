"""The models that were sent to the host of an engine: list them, and remove those not in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.planning.labels import LABEL, MODEL_LABEL
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama_engines import Engine


@frozen()
class ModelCopy:
    """A file or a volume with a model on the host of an engine.

    Attributes:
        model: the reference that it was sent for; "" if that is not known any more.
        place: the path of the file, or the name of the volume.
        size: in bytes, as far as it has arrived; None if unknown.
        complete: whether all of it has arrived and was verified.
    """

    model: str
    place: str
    size: int | None
    complete: bool


def unused_copies(engine: Engine, copies: Sequence[ModelCopy]) -> Sequence[ModelCopy]:
    """Return those of *copies* that no server on *engine* uses, running or not."""
    used = {state.labels.get(MODEL_LABEL) for state in engine.list({LABEL: ""})}
    return [copy for copy in copies if copy.model not in used]
