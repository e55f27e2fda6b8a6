"""All models of the store: ours, those that are on their way, and upstream's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.store.foreign import all_foreign
from ramalama.store.layout import place_of
from ramalama.store.refs import identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ramalama.reference import ModelRef
    from ramalama.store.cas import ContentStore
    from ramalama.store.layout import Place
    from ramalama.store.parts import StoreParts
    from ramalama.store.pulls import Pulls
    from ramalama.store.refs import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """A row of the list.

    Attributes:
        size: in bytes; of what is there, shared with other models or not.
        modified: when it was pulled, or begun; aware.
        complete: whether it can be run.
    """

    reference: ModelRef
    size: int
    modified: datetime
    complete: bool


def list_models(parts: StoreParts) -> Iterator[ListedModel]:
    """Yield each model once: ours, those that are on their way, and upstream's."""
    shown: set[ModelRef] = set()
    places: set[Place | None] = set()
    for model in (*_ours(parts.records, parts.contents), *_begun(parts.pulls)):
        if identity(model.reference) not in shown:
            shown.add(identity(model.reference))
            places.add(place_of(model.reference))
            yield model
    for foreign in all_foreign(parts.tree):
        if place_of(foreign.reference) not in places:
            yield ListedModel(
                reference=foreign.reference,
                size=foreign.size,
                modified=foreign.modified,
                complete=foreign.complete,
            )


def _ours(records: Records, contents: ContentStore) -> Iterator[ListedModel]:
    for record in records.all():
        here = tuple(file.size for file in record.files if contents.find(file.digest))
        yield ListedModel(
            reference=record.reference,
            size=sum(here),
            modified=record.pulled,
            complete=len(here) == len(record.files),
        )


def _begun(pulls: Pulls) -> Iterator[ListedModel]:
    from datetime import UTC, datetime  # noqa: PLC0415 (keeps the common import light)

    for pull, size in pulls.sizes():
        begun = datetime.fromtimestamp(pull.begun, UTC)
        yield ListedModel(reference=pull.reference, size=size, modified=begun, complete=False)
