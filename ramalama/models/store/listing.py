"""List all models of the store: RamaLama's, unfinished pulls, and upstream's own."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import StoreError
from ramalama.models.store.records import identity
from ramalama.models.store.upstream.layout import BLOBS, REFS, place_of, reference_at
from ramalama.models.store.upstream.refs import read_ref
from ramalama.models.store.upstream.views import file_path
from ramalama_values import frozen

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.cas import ContentStore
    from ramalama.models.store.layout import StoreLayout
    from ramalama.models.store.pulls import Pulls
    from ramalama.models.store.records import Records
    from ramalama.models.store.upstream.views import UpstreamTree


@frozen()
class ListedModel:
    """A row of the list.

    Attributes:
        size: in bytes on this machine, including files shared with other models.
        modified: when it was pulled, or its pull began; with a time zone.
        complete: whether it can be run.
    """

    reference: ModelRef
    size: int
    modified: datetime
    complete: bool


def list_models(parts: StoreLayout) -> Iterator[ListedModel]:
    """Yield each model once: RamaLama's, those being pulled, and upstream's."""
    shown: set[ModelRef] = set()
    places: set[tuple[str, ...]] = set()
    for model in (*_ours(parts.records, parts.contents), *_begun(parts.pulls)):
        if identity(model.reference) not in shown:
            shown.add(identity(model.reference))
            if place := place_of(model.reference):
                places.add(place.ref_path)
            yield model
    yield from _upstreams(parts.tree, places)


def _ours(records: Records, contents: ContentStore) -> Iterator[ListedModel]:
    for record in records.all():
        here = tuple(file.size for file in record.files if contents.has(file.digest))
        yield ListedModel(
            reference=record.reference,
            size=sum(here),
            modified=record.pulled,
            complete=len(here) == len(record.files),
        )


def _begun(pulls: Pulls) -> Iterator[ListedModel]:
    for pull, size in pulls.sizes():
        begun = datetime.fromtimestamp(pull.begun, UTC)
        yield ListedModel(reference=pull.reference, size=size, modified=begun, complete=False)


def _upstreams(tree: UpstreamTree, shown: AbstractSet[tuple[str, ...]]) -> Iterator[ListedModel]:
    for directory, parts, name in tree.refs():
        if (*parts, name) in shown:  # true for most models
            continue
        with suppress(StoreError, FileNotFoundError):  # broken, or removed meanwhile
            if reference := reference_at(parts, name):
                path = Path(directory)
                yield _describe(reference, path, path / REFS / name)


def _describe(reference: ModelRef, directory: Path, path: Path) -> ListedModel:
    """Describe a model of upstream's by the status of its files, without reading them."""
    ref = read_ref(path)
    there = [
        status
        for file in ref.files
        if (status := _status(file_path(directory, ref, file))) is not None
    ]
    complete = len(there) == len(ref.files)
    partial = None if complete else _status(directory / BLOBS / f"{ref.snapshot}.partial")
    counted = there if partial is None else [*there, partial]
    newest = max((status.st_mtime for status in counted), default=path.stat().st_mtime)
    return ListedModel(
        reference=reference,
        size=sum(status.st_size for status in counted),
        modified=datetime.fromtimestamp(newest, UTC),
        complete=complete,
    )


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
