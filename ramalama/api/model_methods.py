"""The methods of `Ramalama` for the models of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.api.base import RamalamaBase

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Unpack

    from ramalama.api.keywords import PullKeywords
    from ramalama.models.options import PullOptions
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.listing import ListedModel
    from ramalama.models.store.stored_model import StoredModel


class ModelMethods(RamalamaBase):
    """The methods of `Ramalama` for the models of this machine."""

    def pull(
        self,
        model: str | Path | ModelRef,
        options: PullOptions | None = None,
        **keywords: Unpack[PullKeywords],
    ) -> StoredModel:
        """Download the current version of a model to this machine; see `Models.pull`.

        *keywords* are the fields of `PullOptions`, unless there are *options*; what they do not
        say, the settings do. Two more are those of `start`: *on_event* and *cancel*. An interrupted
        pull continues next time.

        Raises:
            ModelError: the model does not exist, or cannot be pulled or used.
            StoreError: the store cannot be used, or there is not enough space.
            StartCancelled: *cancel* was set.
            TypeError: a keyword is unknown.
        """
        from ramalama.api.pull_requests import make_pull_request  # noqa: PLC0415 (not for a start)

        request = make_pull_request(self.models, self.config, model, options, keywords)
        return self.models.pull(request.reference, request.options, on_event=request.tell)

    def list(self) -> Sequence[ListedModel]:
        """Return the models of this machine, including partial downloads."""
        return self.models.list()
