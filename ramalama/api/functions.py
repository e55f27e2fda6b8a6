"""A model for the length of a block, in a line: for whoever needs no more than that."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager, contextmanager
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
    """Serve *model*, what a user types for one or a file, for the length of the block.

    *keywords* are the fields of `ServeOptions`, and what `Ramalama.start` takes besides, with what
    that raises. *using* is a handle of the caller's, which stays open; without one, there is one
    for this block alone.
    """
    with _handle(using) as ramalama:
        options, how = _sort(ramalama, model, keywords)
        with ramalama.serve(options, **how) as server:
            yield server


@asynccontextmanager
async def aserve(
    model: str | Path | ModelRef,
    *,
    using: Ramalama | None = None,
    **keywords: Unpack[ServeKeywords],
) -> AsyncGenerator[ModelServer]:
    """Serve *model* for the length of the block, in asyncio (and in no other loop); see `serve`.

    All that blocks is done in threads. A task that is cancelled while the server starts or ends
    is so when nothing is left of it, and not before. *on_event* is called in such a thread.
    """
    from ramalama.api.threads import in_thread  # noqa: PLC0415 (asyncio, for those who use it)

    stay = _Stay(model, using, keywords)
    server = await in_thread(stay.start, call_off=stay.called_off.set, undo=stay.close)
    try:
        yield server
    finally:
        try:
            await server.close_async_client()
        finally:
            await in_thread(lambda: stay.close(server))


class _Stay:
    """What `aserve` does in threads."""

    def __init__(
        self, model: str | Path | ModelRef, using: Ramalama | None, keywords: ServeKeywords
    ) -> None:
        self.called_off = keywords.pop("cancel", None) or threading.Event()
        self._on_event = keywords.pop("on_event", ignore)
        self._model = model
        self._keywords = keywords
        self._ramalama = using or Ramalama()
        self._is_own = using is None
        self._preload = _Preload()

    def start(self) -> ModelServer:
        try:
            options, how = _sort(self._ramalama, self._model, self._keywords)
            how["cancel"], how["on_event"] = self.called_off, self._follow
            server = self._ramalama.start(options, **how)
            self._preload.finish()
        except BaseException:
            self._preload.join()
            self._close_own()
            raise
        return server

    def close(self, server: ModelServer) -> None:
        try:
            server.close()
        finally:
            self._close_own()

    def _close_own(self) -> None:
        if self._is_own:
            self._ramalama.close()

    def _follow(self, event: Event) -> None:
        self._preload.follow(event)
        self._on_event(event)


class _Preload:
    """Imports the OpenAI SDK while the container starts: a loop must not wait for that."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def follow(self, event: Event) -> None:
        if isinstance(event, ContainerCreated):
            self._begin()

    def finish(self) -> None:
        """Wait until it is imported."""
        self._begin()  # no container was created: the server was there
        self.join()

    def join(self) -> None:
        """Wait for the import, if one is under way."""
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> None:
        from ramalama_chat.preload import preload  # noqa: PLC0415 (see above)

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


def _sort(
    ramalama: Ramalama, model: str | Path | ModelRef, keywords: ServeKeywords
) -> tuple[ServeOptions, StartKeywords]:
    """Part what the server is like from how it is started."""
    reference = _resolve(ramalama, model)
    how = {field.name for field in fields(StartRequest)} - {"options"}
    _refuse_unknown(keywords, how | {field.name for field in fields(ServeOptions)} - {"model"})
    of_the_start = {name: value for name, value in keywords.items() if name in how}
    of_the_server = {name: value for name, value in keywords.items() if name not in how}
    return (
        ServeOptions(model=reference, **cast("ServerKeywords", of_the_server)),
        cast("StartKeywords", of_the_start),
    )


def _resolve(ramalama: Ramalama, model: str | Path | ModelRef) -> ModelRef:
    if isinstance(model, Path):
        model = str(model.absolute())  # "granite" would be a name of Ollama's library
    return ramalama.models.resolve(model) if isinstance(model, str) else model


def _refuse_unknown(keywords: Iterable[str], known: Iterable[str]) -> None:
    """Raise the TypeError of a keyword that is none, with the one that may have been meant."""
    if unknown := sorted({*keywords} - {*known}):
        import difflib  # noqa: PLC0415 (only for who has mistyped)

        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "; see ServeOptions and Ramalama.start"
        msg = f"there is no option {unknown[0]!r}{hint}"
        raise TypeError(msg)
