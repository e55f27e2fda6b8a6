"""Manage the models of this machine, and pull others; no engine is needed."""

from __future__ import annotations

import os
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import ConfigError, OptionRefused, UnknownModel
from ramalama.events import Notice, ignore
from ramalama.models.reference.reference import ModelRef, is_reference
from ramalama.models.reference.scheme import Scheme
from ramalama.models.reference.shortnames import Shortnames, suggest
from ramalama.value_types import show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ramalama.events import EventHook, UploadHook
    from ramalama.models.formats.model_files import Digest
    from ramalama.models.options import ModelSettings, PullOptions, PushOptions
    from ramalama.models.pull import Admit
    from ramalama.models.store.gc import GarbageReport
    from ramalama.models.store.listing import ListedModel
    from ramalama.models.store.remove import RemovedModel
    from ramalama.models.store.store import ModelStore
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.models.transports.base import TransportContext
    from ramalama_engines.user import InvokingUser


_LIBRARY = "/library/"  # Ollama's namespace for models that are named by one word


class Models:
    """Finds, pulls, pushes, lists and removes models, by reference; see `resolve`.

    Every method may be called from any thread, and by several processes at once.

    Attributes:
        base: the directory of the store, which need not exist yet.
    """

    def __init__(self, settings: ModelSettings, user: InvokingUser) -> None:
        self._settings = settings
        self._user = user
        self.base = store_base(user.env, user.home, uid=user.uid, configured=settings.store)

    def __repr__(self) -> str:
        return f"<Models in {str(self.base)!r}>"

    @cached_property
    def store(self) -> ModelStore:
        """The directory of models; it is not opened for a model that is the user's own file."""
        from ramalama.models.store.store import ModelStore  # noqa: PLC0415 (3 ms of a start)

        return ModelStore(self.base)

    def shortnames(self) -> Shortnames:
        """Return this user's short names."""
        return Shortnames.load(self._user.env, self._user.home)

    def resolve(
        self, model: str | Path | ModelRef, *, cwd: Path | None = None, on_event: EventHook = ignore
    ) -> ModelRef:
        """Return the reference of a model as a user types it: a short name, or any reference.

        A `Path` is always that of a file or directory, and a `ModelRef` is returned as it is.
        *on_event* gets a notice for each line of a file of short names that was ignored.

        Raises:
            InvalidReference: the text is not valid.
            OptionRefused: *model* is something else.
        """
        if isinstance(model, ModelRef):
            return model
        text = os.path.join(os.curdir, model) if isinstance(model, Path) else model  # noqa: PTH118 (keeps "./")
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] (not every caller has a type checker)
            msg = f"model is a text, a path or a ModelRef, not {show(text)}"
            raise OptionRefused(msg)
        if not is_reference(text):
            shortnames = self.shortnames()
            for warning in shortnames.warnings:
                on_event(Notice(warning))
            text = shortnames.resolve(text).reference
        return ModelRef.parse(text, home=self._user.home, cwd=cwd, default=self._settings.transport)

    def find(
        self, reference: str | Path | ModelRef, *, on_event: EventHook = ignore
    ) -> StoredModel | None:
        """Return a model that is on this machine; None if it must be pulled first.

        Raises:
            ModelError: it is a file that does not exist or is not a model, or it cannot be used.
            StoreError: the store cannot be used.
        """
        reference = self.resolve(reference)
        if reference.scheme is Scheme.FILE:
            return _open_own(reference)
        with self.store.using():
            record = self.store.find(reference, on_event=on_event)
            return None if record is None else self.store.open(record)

    def get(
        self,
        reference: str | Path | ModelRef,
        options: PullOptions | None = None,
        *,
        on_event: EventHook = ignore,
    ) -> StoredModel:
        """Return a model that can be mounted; pull it only if it is not on this machine.

        Raises:
            ModelError: the model does not exist, cannot be pulled, or cannot be used.
            StoreError: the store cannot be used.
        """
        reference = self.resolve(reference)
        found = self.find(reference, on_event=on_event)
        return found or self.pull(reference, options, on_event=on_event)

    def pull(
        self,
        reference: str | Path | ModelRef,
        options: PullOptions | None = None,
        *,
        admit: Admit | None = None,
        check: Callable[[StoredModel], None] | None = None,
        on_event: EventHook = ignore,
    ) -> StoredModel:
        """Pull a model in its current version; a file of this machine is used in place.

        *admit* is called before anything is downloaded, and raises a ModelError to refuse the
        model, for example because it is too large; None admits every model. *check* gets the model
        with its file names as it will be, and raises a ModelError if it is not suitable, as
        `Runtime.check` does. An interrupted pull continues next time. If several processes pull the
        same model, it is downloaded once.

        Raises:
            ModelError: the model does not exist, cannot be pulled, is too large, or cannot be used.
            StoreError: the store cannot be used, or there is not enough space.
        """
        reference = self.resolve(reference)
        if reference.scheme is Scheme.FILE:
            return _open_own(reference)
        # A start that only uses local models does not need these imports.
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
        source: str | Path | ModelRef,
        target: str | ModelRef | None = None,
        options: PushOptions | None = None,
        *,
        on_event: UploadHook = ignore,
    ) -> ModelRef:
        """Push a model of this machine to an OCI registry; return its reference there, by digest.

        *target* None means *source*. Content that the registry has already is not sent again; after
        a failure, another call sends the missing rest.

        Raises:
            InvalidReference: *target* is not in an OCI registry.
            ModelNotFound: *source* is not on this machine.
            ModelPushError: the registry does not accept the model.
            AccessDenied: the registry requires other credentials.
            ModelError, StoreError: the model, or the base image of a car, cannot be used.
        """
        from ramalama.models.options import PushOptions  # noqa: PLC0415 (as for a pull)
        from ramalama.models.push import push_model  # noqa: PLC0415

        return push_model(
            self.resolve(source),
            self.resolve(target or source),
            options or PushOptions(),
            store=self.store,
            user=self._user,
            on_event=on_event,
        )

    def serving(self, model: StoredModel) -> AbstractContextManager[None]:
        """Keep a model's files while a server reads them, even if the model is removed meanwhile.

        Raises:
            StoreError: on entry, if the model has been removed already.
        """
        return nullcontext() if model.reference.scheme is Scheme.FILE else self.store.serving(model)

    def digest_of(self, path: Path) -> Digest:
        """Return the SHA-256 digest of a model's file; it is computed once, and then remembered.

        Raises:
            StoreError: the file cannot be read, or the store cannot be written.
        """
        return self.store.digest_of(path)

    def list(self) -> Sequence[ListedModel]:
        """Return the models of this machine, including those that are only partly pulled."""
        return self.store.list()

    def remove(self, reference: str | Path | ModelRef) -> RemovedModel:
        """Remove a model, and its files unless another model shares them.

        Raises:
            ModelNotFound: the model is not on this machine.
        """
        return self.store.remove(self.resolve(reference))

    def collect_garbage(
        self, *, dry_run: bool = False, on_wait: Callable[[], None] = lambda: None
    ) -> GarbageReport:
        """Remove files that no model needs, left behind by interrupted pulls and removals."""
        return self.store.collect_garbage(dry_run=dry_run, on_wait=on_wait)

    def _context(self, options: PullOptions) -> TransportContext:
        from ramalama.models.transports.base import TransportContext  # noqa: PLC0415 (as above)

        return TransportContext(
            user=self._user,
            tls_verify=options.tls_verify,
            authfile=options.authfile,
            offline=options.offline,
        )

    def _with_suggestions(self, error: UnknownModel, reference: ModelRef) -> UnknownModel:
        """Add models with similar names that are known here, if the registry has suggested none."""
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
    from ramalama.models.store.local import (  # noqa: PLC0415 (listing does not need it)
        open_local,
    )

    return open_local(reference)


_SYSTEM = Path("/var/lib/ramalama")


def store_base(
    env: Mapping[str, str], home: Path, *, uid: int, configured: str | None = None
) -> Path:
    """Return the directory of the store as an absolute path; it need not exist.

    *configured* is the setting ``store``, which may begin with ``~`` and have variables; a relative
    XDG_DATA_HOME counts as unset (XDG base directories).

    Raises:
        ConfigError: *configured* is relative, or one of its variables is not set.
    """
    if configured:
        return _configured_base(configured, env, home)
    if uid == 0:
        return _SYSTEM
    named = Path(env.get("XDG_DATA_HOME", ""))
    return (named if named.is_absolute() else home / ".local/share") / "ramalama"


def _configured_base(configured: str, env: Mapping[str, str], home: Path) -> Path:
    text = configured
    if "$" in text:
        from string import Template  # noqa: PLC0415 (few users have a variable there)

        try:
            text = Template(text).substitute(env)
        except (KeyError, ValueError):
            msg = f"the store {configured!r} has a variable that is not set"
            raise ConfigError(msg) from None
    path = home / text[2:] if text == "~" or text.startswith("~/") else Path(text)
    if not path.is_absolute():
        msg = f"the store {configured!r} is a relative path"
        raise ConfigError(msg, hint="begin it with / or ~/")
    return path
