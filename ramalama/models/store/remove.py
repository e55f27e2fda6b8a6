"""Remove a model, and the files that only this model needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.errors import ModelNotFound
from ramalama.models.store.atomic import remove_tree
from ramalama.models.store.upstream.adopt import known_foreign
from ramalama.models.store.upstream.layout import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from ramalama.models.formats.model_files import Digest
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.layout import StoreLayout
    from ramalama.models.store.records import ModelRecord


@dataclass(frozen=True, slots=True)
class RemovedModel:
    """A model that was removed; *freed* is the number of bytes freed on the disk."""

    reference: ModelRef
    freed: int


def remove_model(parts: StoreLayout, reference: ModelRef) -> RemovedModel:
    """Remove a model and an unfinished pull of it. The caller must hold the lock of the records.

    Raises:
        ModelNotFound: there is no such model.
    """
    pull, place = parts.pulls.find(reference), place_of(reference)
    record = parts.records.find(reference) or known_foreign(parts.tree, reference)
    shown = None if place is None else parts.tree.remove(place)
    if not parts.records.remove(reference) and shown is None and pull is None:
        msg = f"{reference} is not on this machine"
        raise ModelNotFound(msg)
    freed = shown or 0
    digests: set[Digest] = set()
    others = tuple(parts.records.all())
    if pull is not None:
        freed += parts.pulls.remove(pull)
        digests |= pull.digests
    if record is not None:
        freed += _remove_snapshot(parts, record, others)
        digests |= {file.digest for file in record.files}
    freed += _release(parts, digests, others)
    for other in others:  # upstream uses one directory for URLs that differ only in the port
        if place is not None and place_of(other.reference) == place:
            parts.tree.publish(other)
    return RemovedModel(reference, freed)


def abandon_pull(parts: StoreLayout, reference: ModelRef, contents: Iterable[Digest]) -> None:
    """Remove a pull, its downloads and its *contents*. The caller must hold the records' lock."""
    digests = set(contents)
    if (pull := parts.pulls.find(reference)) is not None:
        parts.pulls.remove(pull)
        digests |= pull.digests
    _release(parts, digests, tuple(parts.records.all()))


def _remove_snapshot(
    parts: StoreLayout, record: ModelRecord, others: tuple[ModelRecord, ...]
) -> int:
    snapshot = parts.snapshots.path(record)
    wanted = snapshot in map(parts.snapshots.path, others) or parts.snapshots.is_held(snapshot)
    return 0 if wanted else remove_tree(snapshot)


def _release(
    parts: StoreLayout, digests: AbstractSet[Digest], others: tuple[ModelRecord, ...]
) -> int:
    named = {file.digest for other in others for file in other.files}
    return sum(map(parts.contents.release, digests - named))
