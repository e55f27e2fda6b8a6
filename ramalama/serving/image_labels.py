"""Tell our containers from those of other programs, whose images may have similar labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.planning.labels import LABEL, OWNER_LABEL
from ramalama_engines.errors import EngineError, EngineUnavailable

if TYPE_CHECKING:
    from ramalama_engines import Engine
    from ramalama_engines.spec import ContainerState


def is_labelled(engine: Engine, state: ContainerState, label: str = LABEL) -> bool:
    """Return whether the *label* that makes a container one of ours is more than its image's.

    A container of another program has the labels of its image, too.

    Raises:
        EngineUnavailable: the engine does not answer.
    """
    try:
        image = engine.image(state.image)
    except EngineUnavailable:
        raise
    except EngineError:  # it was made from what is no image
        return True
    if image is None or label not in image.labels:
        return True
    return state.labels.get(OWNER_LABEL) != image.labels.get(OWNER_LABEL)
