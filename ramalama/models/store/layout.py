"""All directories of a store, for functions that use several of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ramalama.models.store.cas import ContentStore
from ramalama.models.store.pulls import Pulls
from ramalama.models.store.records import Records
from ramalama.models.store.snapshots import Snapshots
from ramalama.models.store.upstream.views import UpstreamTree
from ramalama_values import frozen

if TYPE_CHECKING:
    from pathlib import Path


@frozen()
class StoreLayout:
    """The directories below one base; see `ramalama.models.store.store`."""

    contents: ContentStore
    records: Records
    snapshots: Snapshots
    pulls: Pulls
    tree: UpstreamTree

    @classmethod
    def below(cls, base: Path) -> Self:
        """Return the layout of *base*, without creating anything."""
        contents = ContentStore(base)
        return cls(
            contents=contents,
            records=Records(base),
            snapshots=Snapshots(base, contents),
            pulls=Pulls(base, contents),
            tree=UpstreamTree(base / "store", contents),
        )
