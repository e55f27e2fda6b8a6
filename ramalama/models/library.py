"""The models of this machine, and those that can be had: no engine is needed for any of it."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import UnknownModel
from ramalama.events import ignore
from ramalama.models.reference.reference import ModelRef, Scheme, is_reference
from ramalama.models.reference.shortnames import Shortnames, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ramalama.events import EventHook, UploadHook
    from ramalama.models.options import ModelSettings, PullOptions, PushOptions
    from ramalama.models.pull import Admit
    from ramalama.models.store.gc import GarbageReport
    from ramalama.models.store.listing import ListedModel
    from ramalama.models.store.remove import RemovedModel
    from ramalama.models.store.store import ModelStore
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.models.transports.context import TransportContext
    from ramalama_engines.user import InvokingUser


_LIBRARY = "/library/"  # where Ollama has the models that a word alone may mean


class Models:
    """Models, by reference: found, pulled, listed, removed.

    Every method may be called from any thread, and by several processes at once.
    """

    def __init__(self, settings: ModelSettings, user: InvokingUser) -> None:
        self._settings = settings
        self._user = user
        # Now, since a relative path means the directory that we are in at present.
        self._base = store_base(user.env, user.home, uid=user.uid, configured=settings.store)

    @cached_property
    def store(self) -> ModelStore:
        """Where they are; who brings a file of their own needs none of it."""
        from ramalama.models.store.store import ModelStore  # noqa: PLC0415 (3 ms of a start)

        return ModelStore(self._base)

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
        return ModelRef.parse(text, home=self._user.home, cwd=cwd, default=self._settings.transport)

    def find(self, reference: ModelRef, *, on_event: EventHook = ignore) -> StoredModel | None:
        """Return a model that is on this machine; None if it would have to be pulled.

        Raises:
            ModelError: it is a file that is not there or no model, or cannot be used.
            StoreError: the store cannot be used.
        """
        if reference.scheme is Scheme.FILE:
            return _open_own(reference)
        with self.store.using():
            record = self.store.find(reference, on_event=on_event)
            return None if record is None else self.store.open(record)

    def get(
        self,
        reference: ModelRef,
        options: PullOptions | None = None,
        *,
        on_event: EventHook = ignore,
    ) -> StoredModel:
        """Return a model that can be mounted; pulled if need be, never asked for again if not.

        Raises:
            ModelError: it is not there, cannot be had, or cannot be used.
            StoreError: the store cannot be used.
        """
        found = self.find(reference, on_event=on_event)
        return found or self.pull(reference, options, on_event=on_event)

    def pull(
        self,
        reference: ModelRef,
        options: PullOptions | None = None,
        *,
        admit: Admit | None = None,
        check: Callable[[StoredModel], None] | None = None,
        on_event: EventHook = ignore,
    ) -> StoredModel:
        """Bring a model here as it is at its source now; a file of this machine stays in place.

        *admit* is asked before anything of it is fetched, and raises a ModelError to refuse it, as
        too large for one; None fetches whatever it is. *check* is shown the model as it will be, by
        the names of its files, and raises a ModelError if it is not wanted: `Runtime.check` does.
        Interrupted, a pull goes on next time from where it was. Several processes that pull the
        same model fetch it once.

        Raises:
            ModelError: it is not there, cannot be had, is too large, or cannot be used.
            StoreError: the store cannot be used, or there is not enough space.
        """
        if reference.scheme is Scheme.FILE:
            return _open_own(reference)
        # Whoever has all models on the disk needs none of this.
        from ramalama.models.options import PullOptions  # noqa: PLC0415
        from ramalama.models.pull import Puller  # noqa: PLC0415
        from ramalama.models.store.caches import known_caches  # noqa: PLC0415

        options = options or PullOptions()
        context = self._context(options)
        caches = known_caches(self._user.env, self._user.home)
        puller = Puller(
            self.store, context, caches=caches, admit=admit, check=check, on_event=on_event
        )
        try:
            record = puller.pull(reference, options.wanted)
        except UnknownModel as exc:
            raise self._with_suggestions(exc, reference) from exc
        return self.store.open(record)

    def push(
        self,
        source: ModelRef,
        target: ModelRef | None = None,
        options: PushOptions | None = None,
        *,
        on_event: UploadHook = ignore,
    ) -> ModelRef:
        """Send a model of this machine to an OCI registry, and return what names it there for ever.

        *target* is *source* itself if there is none. What the registry has already is not sent
        again; called after a failure, it goes on with what is missing.

        Raises:
            InvalidReference: *target* is in no such registry.
            ModelNotFound: *source* is not on this machine.
            ModelPushError: the registry does not take it.
            AccessDenied: it wants other credentials.
            ModelError, StoreError: the model, or the image under a car, cannot be used.
        """
        from ramalama.models.options import PushOptions  # noqa: PLC0415 (as for a pull)
        from ramalama.models.push import push_model  # noqa: PLC0415

        return push_model(
            source,
            target or source,
            options or PushOptions(),
            store=self.store,
            user=self._user,
            on_event=on_event,
        )

    def serving(self, model: StoredModel) -> AbstractContextManager[None]:
        """Keep a model's files where a server reads them, whoever removes it meanwhile.

        Raises:
            StoreError: on entry, that somebody has removed it already.
        """
        return nullcontext() if model.reference.scheme is Scheme.FILE else self.store.serving(model)

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

    def _context(self, options: PullOptions) -> TransportContext:
        from ramalama.models.transports.context import TransportContext  # noqa: PLC0415 (as above)

        return TransportContext(
            user=self._user,
            tls_verify=options.tls_verify,
            authfile=options.authfile,
            offline=options.offline,
        )

    def _with_suggestions(self, error: UnknownModel, reference: ModelRef) -> UnknownModel:
        """Add what is known here and called much the same, if its registry has named nothing."""
        if error.alternatives:
            return error
        asked = str(reference)
        known = {str(each.reference) for each in self.list()}
        if reference.scheme is Scheme.OLLAMA and _LIBRARY in f"/{reference.location}":
            asked = asked.rpartition("/")[2].removesuffix(":latest")
            known = {name.rpartition(_LIBRARY)[2] for name in known} | {*self.shortnames().entries}
        near = suggest(asked, known)
        if not near:
            return error
        hint = f"did you mean {' or '.join(near)}?"
        return UnknownModel(str(error), hint=hint, alternatives=near)


def _open_own(reference: ModelRef) -> StoredModel:
    from ramalama.models.store.local import (  # noqa: PLC0415 (whoever only lists needs none)
        open_local,
    )

    return open_local(reference)


_SYSTEM = Path("/var/lib/ramalama")


def store_base(
    env: Mapping[str, str], home: Path, *, uid: int, configured: str | None = None
) -> Path:
    """Choose the directory, an absolute path; it need not exist.

    *configured* is the setting ``store``, which may begin with ``~``; a relative XDG_DATA_HOME
    counts as unset (XDG base directories).
    """
    if configured:
        if configured == "~" or configured.startswith("~/"):
            return home / configured[2:]
        return Path(configured).absolute()
    if uid == 0:
        return _SYSTEM
    named = Path(env.get("XDG_DATA_HOME", ""))
    return (named if named.is_absolute() else home / ".local/share") / "ramalama"
