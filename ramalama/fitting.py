"""Whether a model fits into this host's memory, and what of it would.

The server maps its weights from the file, so that one which needs a little more than there is
still works, slowly; one whose weights alone exceed all memory does not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama.errors import ModelTooLarge
from ramalama.events import Notice, ignore
from ramalama.options import DEFAULT_CONTEXT
from ramalama.sizes import human_size
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.events import EventHook
    from ramalama.memory import MemoryNeed, ModelShape
    from ramalama.options import ServeOptions
    from ramalama.store.models import StoredModel
    from ramalama.transports.wish import Choice
    from ramalama_accel.base import Accelerator

# Below this share of the memory, nobody need look closer: a context of usual size and the work
# space of a large vocabulary add less than the rest.
_CLEARLY_FITS = 0.5


@frozen()
class Room:
    """The memory of a host, in bytes.

    Attributes:
        main: what a process could still use; None where the kernel does not tell.
        gpu: of all devices that the server will have, whoever uses it now; None where the kernel
            does not tell.
    """

    main: int | None
    gpu: int | None = 0

    @classmethod
    def of(cls, main: int | None, accelerator: Accelerator) -> Room:
        """Add what *accelerator* has of its own."""
        amounts = [gpu.memory for gpu in accelerator.gpus]
        return cls(main=main, gpu=None if None in amounts else sum(each or 0 for each in amounts))

    @property
    def total(self) -> int | None:
        """All of it; None if that cannot be told."""
        return None if self.main is None or self.gpu is None else self.main + self.gpu

    def clearly_holds(self, weights: int) -> bool:
        """Whether so many bytes of weights fit without any doubt."""
        return self.total is None or weights < self.total * _CLEARLY_FITS

    def __str__(self) -> str:
        main = f"{human_size(self.main or 0)} of memory are free"
        return f"{main}, and the GPU has {human_size(self.gpu)}" if self.gpu else main


def check_weights(name: str, weights: int, room: Room, *, variants: Sequence[Choice] = ()) -> None:
    """Refuse a model whose weights alone exceed all memory, before anything large is done.

    Raises:
        ModelTooLarge: the message names what there is and which *variants* would fit.
    """
    if room.total is None or weights <= room.total:
        return
    fitting = [variant for variant in variants if variant.size <= room.total]
    best = sorted(fitting, key=lambda variant: variant.size, reverse=True)[:3]
    smaller = ", ".join(f"{each.reference} ({human_size(each.size)})" for each in best)
    remedy = f"what fits: {smaller}" if smaller else "take a smaller model, or a smaller variant"
    msg = (
        f"{name} needs {human_size(weights)} for its weights alone, but {room}; {remedy} "
        "(`run --force` tries it all the same)"
    )
    raise ModelTooLarge(msg)


def fit(
    options: ServeOptions, model: StoredModel, room: Room, *, on_event: EventHook = ignore
) -> ServeOptions:
    """Hold a model that is about to be served against the memory there is.

    Returns *options* with a context that fits, where its size was left to the model. A shortage
    that the server may survive is a notice.

    Raises:
        ModelTooLarge: the weights alone are too much, and *options* do not insist.
    """
    weights = sum(path.stat().st_size for path in model.weights)
    if not options.force:
        check_weights(str(model.reference), weights, room)
    # The header takes ten milliseconds to read, which most starts can do without.
    if model.directory or (room.clearly_holds(weights) and options.ctx_size != 0):
        return options
    from ramalama.memory import ModelShape  # noqa: PLC0415 (see above)
    from ramalama.store.gguf_metadata import read_metadata  # noqa: PLC0415 (see above)

    shape = ModelShape.of(read_metadata(model.weights[0]), weights=weights)
    if shape is None:
        return options
    options = choose_context(options, shape, room)
    context = shape.trained_context if options.ctx_size == 0 else options.ctx_size
    need = shape.need(context or DEFAULT_CONTEXT)
    if shortage := describe_shortage(str(model.reference), need, room):
        on_event(Notice(shortage))
    return options


def choose_context(options: ServeOptions, shape: ModelShape, room: Room) -> ServeOptions:
    """Let "the model's own context" be as much of it as fits; other wishes stay as they are."""
    if options.ctx_size != 0 or room.total is None:
        return options
    largest = shape.largest_context(room.total)
    if largest == 0 or largest >= (shape.trained_context or 0):
        return options
    return replace(options, ctx_size=largest)


def describe_shortage(name: str, need: MemoryNeed, room: Room) -> str | None:
    """Say in a sentence that the server will need more than there is; None if it will not."""
    if room.total is None or need.total <= room.total:
        return None
    parts = (
        f"weights {human_size(need.weights)}, context {human_size(need.kv_cache)}, "
        f"computing {human_size(need.computing)}"
    )
    return (
        f"{name} will need about {human_size(need.total)} ({parts}), but {room}; "
        "it may be slow or fail; a smaller --ctx-size needs less"
    )
