"""The functions of the library, which need no `Ramalama` object."""

from __future__ import annotations

import os
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager
from inspect import getdoc
from typing import TYPE_CHECKING

from ramalama.api.client import Ramalama
from ramalama.config.options import ServeOptions
from ramalama.errors import OptionRefused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator
    from pathlib import Path
    from typing import Unpack

    from ramalama.api.keywords import PullKeywords, ServeKeywords
    from ramalama.models.options import PullOptions
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.serving.served_model import ServedModel
    from ramalama.serving.server import ModelServer


@contextmanager
def serve(
    model: str | Path | ModelRef | ServeOptions,
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
    with _handle(using) as ramalama, ramalama.serve(model, **keywords) as server:
        yield server


@asynccontextmanager
async def aserve(
    model: str | Path | ModelRef | ServeOptions,
    *,
    using: Ramalama | None = None,
    **keywords: Unpack[ServeKeywords],
) -> AsyncGenerator[ModelServer]:
    """Serve *model* for the length of the block, with asyncio (no other event loop); see `serve`.

    Blocking calls run in threads, and so does *on_event*. If a task is cancelled while the server
    starts or stops, the cancellation takes effect after the clean-up.
    """
    async with await astart(model, using=using, **keywords) as server:
        yield server


def start(
    model: str | Path | ModelRef | ServeOptions,
    *,
    using: Ramalama | None = None,
    **keywords: Unpack[ServeKeywords],
) -> ModelServer:
    """Start a server for *model*, and wait until it answers; see `serve` for the keywords.

    The caller must close it, with `close` or a `with` block.
    """
    return _opened(using, lambda ramalama: ramalama.start(model, **keywords))


async def astart(
    model: str | Path | ModelRef | ServeOptions,
    *,
    using: Ramalama | None = None,
    **keywords: Unpack[ServeKeywords],
) -> ModelServer:
    """Start a server for *model*, with asyncio; see `aserve`.

    The caller must await `aclose`, or use an `async with` block.
    """
    from ramalama.api.async_start import start_in_thread  # noqa: PLC0415 (imports asyncio)

    return await start_in_thread(lambda wrapped: start(model, using=using, **wrapped), keywords)


def pull(
    model: str | Path | ModelRef,
    options: PullOptions | None = None,
    *,
    using: Ramalama | None = None,
    **keywords: Unpack[PullKeywords],
) -> StoredModel:
    """Download the current version of *model* to this machine; see `Ramalama.pull`."""
    with _handle(using) as ramalama:
        return ramalama.pull(model, options, **keywords)


async def apull(
    model: str | Path | ModelRef,
    options: PullOptions | None = None,
    *,
    using: Ramalama | None = None,
    **keywords: Unpack[PullKeywords],
) -> StoredModel:
    """Download the current version of *model* to this machine; see `Ramalama.apull`."""
    with _handle(using) as ramalama:
        return await ramalama.apull(model, options, **keywords)


def attach(name: str, *, using: Ramalama | None = None) -> ModelServer:
    """Use a server that another process of this user has started; see `Ramalama.attach`."""
    return _opened(using, lambda ramalama: ramalama.attach(name))


async def aattach(name: str, *, using: Ramalama | None = None) -> ModelServer:
    """Use a server that another process of this user has started; see `Ramalama.attach`."""
    from ramalama.serving.server import ModelServer  # noqa: PLC0415 (as below)
    from ramalama.system.threads import in_thread  # noqa: PLC0415 (imports asyncio)

    return await in_thread(lambda: attach(name, using=using), undo=ModelServer.close)


def stop(name: str, *, using: Ramalama | None = None) -> None:
    """Stop a model server, whichever process started it; see `Ramalama.stop`."""
    with _handle(using) as ramalama:
        ramalama.stop(name)


async def astop(name: str, *, using: Ramalama | None = None) -> None:
    """Stop a model server, whichever process started it; see `Ramalama.stop`."""
    with _handle(using) as ramalama:
        await ramalama.astop(name)


def logs(
    name: str, *, follow: bool = False, tail: int | None = None, using: Ramalama | None = None
) -> Iterator[str]:
    """Yield the log of a server by lines; see `Ramalama.logs`."""
    with _handle(using) as ramalama:
        yield from ramalama.logs(name, follow=follow, tail=tail)


async def alogs(
    name: str, *, follow: bool = False, tail: int | None = None, using: Ramalama | None = None
) -> AsyncGenerator[str]:
    """Yield the log of a server by lines, with asyncio; see `Ramalama.logs`."""
    with _handle(using) as ramalama:
        async with aclosing(ramalama.alogs(name, follow=follow, tail=tail)) as lines:
            async for line in lines:
                yield line


def connect(url: str, *, api_key: str | None = None, model: str | None = None) -> ServedModel:
    """Return the model of a server that runs elsewhere, with any implementation of OpenAI's API.

    *url* is ``http(s)://host[:port][/v1]`` or ``unix:///path/of/socket``. Without *api_key*, it is
    RAMALAMA_API_KEY, or else OPENAI_API_KEY if that stays on this machine or is encrypted. Without
    *model*, the server is asked for the name of its only model. `ServedModel.close` ends nothing
    but the connections.

    Raises:
        InputRefused: *url* is not a server's address, or the key cannot be sent.
        ChatError: the server does not answer, or has no list of models.
        OptionRefused: it has several models, and *model* is None; or a value is no text.
    """
    from ramalama.serving.remote_model import RemoteModel  # noqa: PLC0415 (imports openai)

    served = RemoteModel.at(url, api_key=api_key, name=model, env=os.environ)
    with _closed_on_failure(served):
        served.find()
    return served


async def aconnect(
    url: str, *, api_key: str | None = None, model: str | None = None
) -> ServedModel:
    """Return the model of a server that runs elsewhere, with asyncio; see `connect`."""
    from ramalama.serving.remote_model import RemoteModel  # noqa: PLC0415 (imports openai)

    served = RemoteModel.at(url, api_key=api_key, name=model, env=os.environ)
    with _closed_on_failure(served):
        await served.afind()
    return served


@contextmanager
def _closed_on_failure(served: ServedModel) -> Generator[None]:
    with ExitStack() as undo:
        undo.callback(served.close)
        yield
        undo.pop_all()


def _opened(using: Ramalama | None, open_server: Callable[[Ramalama], ModelServer]) -> ModelServer:
    """Return the server; if a handle is opened for it, the end of the server closes that, too."""
    if using is not None:
        return open_server(_checked(using))
    with ExitStack() as opened:
        server = open_server(opened.enter_context(Ramalama()))
        server.also_close(opened.pop_all())
    return server


def _checked(using: object) -> Ramalama:
    if isinstance(using, Ramalama):
        return using
    msg = f"using is a Ramalama or None, not {using!r}"
    raise OptionRefused(msg)


@contextmanager
def _handle(using: Ramalama | None) -> Generator[Ramalama]:
    if using is not None:
        yield _checked(using)
        return
    with Ramalama() as ramalama:
        yield ramalama


def _list_options() -> None:
    """Let `help` list all keywords, as `Ramalama.start` and `ServeOptions` describe them."""
    _, how, after = (getdoc(Ramalama.start) or "").partition("* reuse ")
    _, first, options = (getdoc(ServeOptions) or "").partition("    draft: ")
    if not (how and first):  # without docstrings, as with ``python -OO``
        return
    start_keywords = after.partition("\n\n")[0]
    for function in (serve, aserve, start, astart):
        function.__doc__ = (
            f"{getdoc(function)}\n\n"
            f"The keywords of the start, with the defaults:\n\n{how}{start_keywords}\n\n"
            f"The options of the server:\n\n{first}{options}"
        )


_list_options()
