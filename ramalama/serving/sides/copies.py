"""The models that were sent to the host of an engine: list them, and remove those not in use."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.planning.labels import LABEL, MODEL_LABEL
from ramalama.system.process_identity import ProcessIdentity
from ramalama_engines.errors import ContainerConflict
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ramalama_engines import Engine


@frozen()
class ModelCopy:
    """A file or a volume with a model on the host of an engine.

    Attributes:
        model: the reference that it was sent for; "" if that is not known any more.
        place: the path of the file, or the name of the volume.
        size: in bytes, as far as it has arrived; None if unknown.
        complete: whether all of it has arrived and was verified.
        arriving: whether a process is sending it, as far as that is known.
    """

    model: str
    place: str
    size: int | None
    complete: bool
    arriving: bool = False


def sender() -> str:
    """Return the name of this host and user, for what is being sent.

    The processes of one user meet at a lock; those of others send a copy of their own.
    """
    return f"{ProcessIdentity.of_this_process().host}-{os.getuid()}"


def unused_copies(engine: Engine, copies: Sequence[ModelCopy]) -> Sequence[ModelCopy]:
    """Return those of *copies* that no server on *engine* uses, running or not."""
    used = used_models(engine)
    return [copy for copy in copies if copy.model not in used and not copy.arriving]


def used_models(engine: Engine) -> frozenset[str]:
    """Return the references of the models of all servers on *engine*."""
    return frozenset(state.labels.get(MODEL_LABEL, "") for state in engine.list({LABEL: ""}))


def remove_unused(
    engine: Engine, copies: Sequence[ModelCopy], remove: Callable[[ModelCopy], None]
) -> Sequence[ModelCopy]:
    """Let *remove* remove the unused ones of *copies*, and return those that it has removed.

    A volume that a container has is not removed.
    """
    removed: list[ModelCopy] = []
    for copy in unused_copies(engine, copies):
        with suppress(ContainerConflict):
            remove(copy)
            removed.append(copy)
    return removed
