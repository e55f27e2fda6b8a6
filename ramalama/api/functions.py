"""Serve a model for the length of a `with` block, without a `Ramalama` object."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ramalama.api.client import Ramalama
from ramalama.config.options import ServeOptions
from ramalama.events import ContainerCreated, ignore
from ramalama.serving.request import StartRequest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable
    from typing import Unpack

    from ramalama.api.keywords import ServeKeywords, ServerKeywords, StartKeywords
    from ramalama.events import Event
    from ramalama.models.reference.reference import ModelRef
    from ramalama.serving.server import ModelServer


@contextmanager
def serve(
    model: str | Path | ModelRef,
    *,
    using: Ramalama | None = None,
    **keywords: Unpack[ServeKeywords],
) -> Generator[ModelServer]:
    """Serve *model* for the length of the block.

    *model* is a reference or a short name as on the command line, or the path of a file. *keywords*
    are the fields of `ServeOptions` and the keywords of `Ramalama.start`. *using* is an open
    `Ramalama` of the caller, which stays open; None opens one for this block.

    Raises:
        RamalamaError: as in `Ramalama.start`.
        TypeError: a keyword is unknown.
    """
    with _handle(using) as ramalama:
        options, how = _split_keywords(ramalama, model, keywords)
        with ramalama.serve(options, **how) as server:
            yield server


@asynccontextmanager
async def aserve(
    model: str | Path | ModelRef,
    *,
    using: Ramalama | None = None,
    **keywords: Unpack[ServeKeywords],
) -> AsyncGenerator[ModelServer]:
    """Serve *model* for the length of the block, with asyncio (no other event loop); see `serve`.

    Blocking calls run in threads, and so does *on_event*. If a task is cancelled while the server
    starts or stops, the cancellation takes effect after the clean-up.
    """
    from ramalama.api.threads import in_thread  # noqa: PLC0415 (imports asyncio)

    served = _ServedInThreads(model, using, keywords)
    server = await in_thread(served.start, call_off=served.cancelled.set, undo=served.close)
    try:
        yield server
    finally:
        if served.is_own():
            try:
                await server.close_async_client()
            finally:
                await in_thread(lambda: served.close(server))


class _ServedInThreads:
    """The blocking calls of `aserve`, which run in threads."""

    def __init__(
        self, model: str | Path | ModelRef, using: Ramalama | None, keywords: ServeKeywords
    ) -> None:
        self.cancelled = keywords.pop("cancel", None) or threading.Event()
        self._on_event = keywords.pop("on_event", ignore)
        self._model = model
        self._keywords = keywords
        self._ramalama = using or Ramalama()
        self._owns_ramalama = using is None
        self._preload = _Preload()
        self._opener = os.getpid()

    def start(self) -> ModelServer:
        with ExitStack() as undo:
            undo.callback(self._close_own)
            undo.callback(self._preload.join)
            options, how = _split_keywords(self._ramalama, self._model, self._keywords)
            how["cancel"], how["on_event"] = self.cancelled, self._follow
            server = undo.enter_context(self._ramalama.start(options, **how))
            self._preload.finish()
            undo.pop_all()
        return server

    def is_own(self) -> bool:
        """Return whether this process has started the server, and was not forked meanwhile."""
        return os.getpid() == self._opener

    def close(self, server: ModelServer) -> None:
        try:
            server.close()
        finally:
            self._close_own()

    def _close_own(self) -> None:
        if self._owns_ramalama:
            self._ramalama.close()

    def _follow(self, event: Event) -> None:
        self._preload.follow(event)
        self._on_event(event)


class _Preload:
    """Imports the OpenAI SDK while the container starts, so that the event loop need not wait."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def follow(self, event: Event) -> None:
        if isinstance(event, ContainerCreated):
            self._begin()

    def finish(self) -> None:
        """Wait until the SDK is imported; start the import if it has not begun."""
        self._begin()  # a server that already runs creates no container
        self.join()

    def join(self) -> None:
        """Wait for the import if it has begun."""
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> None:
        from ramalama_chat.preload import preload  # noqa: PLC0415 (slow import)

        if self._thread is None:
            self._thread = threading.Thread(target=preload, name="ramalama-preload")
            self._thread.start()


@contextmanager
def _handle(using: Ramalama | None) -> Generator[Ramalama]:
    if using is not None:
        yield using
        return
    with Ramalama() as ramalama:
        yield ramalama


def _split_keywords(
    ramalama: Ramalama, model: str | Path | ModelRef, keywords: ServeKeywords
) -> tuple[ServeOptions, StartKeywords]:
    """Split *keywords* into the options of the server and the keywords of `Ramalama.start`."""
    reference = _resolve(ramalama, model)
    start_names = {field.name for field in fields(StartRequest)} - {"options"}
    _reject_unknown(
        keywords, start_names | {field.name for field in fields(ServeOptions)} - {"model"}
    )
    start_keywords = {name: value for name, value in keywords.items() if name in start_names}
    given = {name: value for name, value in keywords.items() if name not in start_names}
    server_keywords = _over_settings(ramalama, given)
    return (
        ServeOptions(model=reference, **cast("ServerKeywords", server_keywords)),
        cast("StartKeywords", start_keywords),
    )


def _over_settings(ramalama: Ramalama, given: dict[str, object]) -> dict[str, object]:
    """Return the keywords that are *given*, and the settings of *ramalama* for all others."""
    settings = ramalama.config.server_settings(ramalama.user.env)
    draft = ramalama.config.model_draft
    if draft and "draft" not in given:
        settings["draft"] = ramalama.models.resolve(draft)
    if isinstance(variables := given.get("env"), Mapping):
        given["env"] = {**cast("Mapping[str, str]", settings["env"]), **variables}
    return {**settings, **given}


def _resolve(ramalama: Ramalama, model: str | Path | ModelRef) -> ModelRef:
    if isinstance(model, Path):
        # Absolute, because a relative path such as "granite" would be the name of an Ollama model.
        model = str(model.absolute())
    return ramalama.models.resolve(model) if isinstance(model, str) else model


def _reject_unknown(keywords: Iterable[str], known: Iterable[str]) -> None:
    """Raise TypeError for an unknown keyword, and name the most similar known one."""
    if unknown := sorted({*keywords} - {*known}):
        import difflib  # noqa: PLC0415 (only after a typing error)

        similar = difflib.get_close_matches(unknown[0], known, n=1)
        hint = (
            f"; did you mean {similar[0]!r}?"
            if similar
            else "; see ServeOptions and Ramalama.start"
        )
        msg = f"there is no option {unknown[0]!r}{hint}"
        raise TypeError(msg)
