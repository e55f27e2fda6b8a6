"""The models of this machine, and those that can be had: no engine is needed for any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import UnknownModel
from ramalama.events import ignore
from ramalama.reference import ModelRef, Scheme
from ramalama.shortnames import Shortnames, is_reference, suggest
from ramalama.store.local import open_local
from ramalama.store.location import store_base
from ramalama.store.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ramalama.config import Config
    from ramalama.events import EventHook
    from ramalama.store.gc import GarbageReport
    from ramalama.store.listing import ListedModel
    from ramalama.store.models import StoredModel
    from ramalama.store.removing import RemovedModel
    from ramalama.transports.base import ModelFormat
    from ramalama_engines.user import User


class Models:
    """Models, by reference: found, pulled, listed, removed.

    Every method may be called from any thread, and by several processes at once.

    Attributes:
        store: where they are.
    """

    def __init__(self, config: Config, user: User) -> None:
        self._config = config
        self._user = user
        base = store_base(user.env, user.home, uid=user.uid, configured=config.store)
        self.store = ModelStore(base)

    def shortnames(self) -> Shortnames:
        """Read this user's short names."""
        return Shortnames.load(self._user.env, self._user.home)

    def resolve(self, text: str, *, cwd: Path | None = None) -> ModelRef:
        """Read what a user types for a model: a short name, or a reference of any form.

        Raises:
            InvalidReference: it is none.
        """
        if not is_reference(text):
            text = self.shortnames().resolve(text).reference
        return ModelRef.parse(text, home=self._user.home, cwd=cwd, default=self._config.transport)

    def find(self, reference: ModelRef, *, on_event: EventHook = ignore) -> StoredModel | None:
        """Return a model that is on this machine; None if it would have to be pulled.

        Raises:
            ModelError: it is a file that is not there or no model, or cannot be used.
            StoreError: the store cannot be used.
        """
        if reference.scheme is Scheme.FILE:
            return open_local(reference)
        with self.store.using():
            record = self.store.find(reference, on_event=on_event)
            return None if record is None else self.store.open(record)

    def get(
        self,
        reference: ModelRef,
        *,
        wanted: ModelFormat | None = None,
        tls_verify: bool = True,
        authfile: Path | None = None,
        on_event: EventHook = ignore,
    ) -> StoredModel:
        """Return a model that can be mounted; pulled if need be, never asked for again if not.

        Raises:
            ModelError: it is not there, cannot be had, or cannot be used.
            StoreError: the store cannot be used.
        """
        return self.find(reference, on_event=on_event) or self.pull(
            reference,
            wanted=wanted,
            tls_verify=tls_verify,
            authfile=authfile,
            on_event=on_event,
        )

    def pull(
        self,
        reference: ModelRef,
        *,
        wanted: ModelFormat | None = None,
        tls_verify: bool = True,
        authfile: Path | None = None,
        on_event: EventHook = ignore,
    ) -> StoredModel:
        """Bring a model here as it is at its source now; a file of this machine stays in place.

        Interrupted, it goes on next time from where it was. Several processes that pull the same
        model fetch it once.

        Raises:
            ModelError: it is not there, cannot be had, or cannot be used.
            StoreError: the store cannot be used, or there is not enough space.
        """
        if reference.scheme is Scheme.FILE:
            return open_local(reference)
        # Whoever has all models on the disk needs none of this.
        from ramalama.pulling import Puller  # noqa: PLC0415
        from ramalama.store.caches import known_caches  # noqa: PLC0415
        from ramalama.transports.base import ModelFormat  # noqa: PLC0415
        from ramalama.transports.context import TransportContext  # noqa: PLC0415

        context = TransportContext(user=self._user, tls_verify=tls_verify, authfile=authfile)
        caches = known_caches(self._user.env, self._user.home)
        puller = Puller(self.store, context, caches=caches, on_event=on_event)
        try:
            record = puller.pull(reference, wanted or ModelFormat.GGUF)
        except UnknownModel as exc:
            raise self._with_suggestions(exc, reference) from exc
        return self.store.open(record)

    def list(self) -> Sequence[ListedModel]:
        """List the models of this machine, half-pulled ones, too."""
        return self.store.list()

    def remove(self, reference: ModelRef) -> RemovedModel:
        """Remove a model, with the files that no other one shares.

        Raises:
            ModelNotFound: it is not here.
        """
        return self.store.remove(reference)

    def collect_garbage(
        self, *, dry_run: bool = False, on_wait: Callable[[], None] = lambda: None
    ) -> GarbageReport:
        """Remove what no model needs: what interrupted pulls and removals have left behind."""
        return self.store.collect_garbage(dry_run=dry_run, on_wait=on_wait)

    def _with_suggestions(self, error: UnknownModel, reference: ModelRef) -> UnknownModel:
        """Add what is known of that name, if its registry has named nothing."""
        if error.alternatives:
            return error
        asked = f"{reference.location.rpartition('/')[2]}:{reference.tag}".removesuffix(":latest")
        known = {*self.shortnames().entries, *(str(each.reference) for each in self.list())}
        near = suggest(asked, known)
        if not near:
            return error
        return UnknownModel(f"{error}; did you mean {' or '.join(near)}?", alternatives=near)
