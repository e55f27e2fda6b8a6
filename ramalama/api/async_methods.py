"""The methods of `Ramalama` for asyncio, which run those that block in threads."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from ramalama.api.model_methods import ModelMethods
from ramalama.api.running_servers import RunningServers
from ramalama.errors import engine_errors

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path
    from typing import Unpack

    from ramalama.api.keywords import PullKeywords, ServeKeywords
    from ramalama.config.options import ServeOptions
    from ramalama.models.options import PullOptions
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.serving.server import ModelServer


class AsyncMethods(ModelMethods, RunningServers):
    """The methods of `Ramalama` for asyncio, for no other event loop.

    Blocking calls run in threads, and so does an *on_event*. If a task is cancelled, the
    cancellation takes effect after the clean-up.
    """

    @asynccontextmanager
    async def aserve(
        self, model: str | Path | ModelRef | ServeOptions, **keywords: Unpack[ServeKeywords]
    ) -> AsyncGenerator[ModelServer]:
        """Serve *model* for the length of a block, with asyncio; see `start`."""
        async with await self.astart(model, **keywords) as server:
            yield server

    async def astart(
        self, model: str | Path | ModelRef | ServeOptions, **keywords: Unpack[ServeKeywords]
    ) -> ModelServer:
        """Start a server and wait until it answers; the caller must await its `aclose`."""
        from ramalama.api.async_start import (  # noqa: PLC0415 (imports asyncio)
            start_in_thread,
        )

        return await start_in_thread(lambda wrapped: self.start(model, **wrapped), keywords)

    async def apull(
        self,
        model: str | Path | ModelRef,
        options: PullOptions | None = None,
        **keywords: Unpack[PullKeywords],
    ) -> StoredModel:
        """Download the current version of a model to this machine; see `pull`.

        If the task is cancelled, the partial download is kept, and the next pull continues it.
        """
        import threading  # noqa: PLC0415 (as below)

        from ramalama.system.threads import in_thread  # noqa: PLC0415 (imports asyncio)

        cancel = keywords.get("cancel") or threading.Event()
        given: PullKeywords = {**keywords, "cancel": cancel}
        return await in_thread(lambda: self.pull(model, options, **given), call_off=cancel.set)

    async def aattach(self, name: str) -> ModelServer:
        """Use a server that another process of this user has started; see `attach`."""
        from ramalama.serving.server import ModelServer  # noqa: PLC0415 (as below)
        from ramalama.system.threads import in_thread  # noqa: PLC0415 (imports asyncio)

        return await in_thread(lambda: self.attach(name), undo=ModelServer.close)

    async def astop(self, name: str) -> None:
        """Stop a model server and remove its container; see `stop`."""
        from ramalama.system.threads import in_thread  # noqa: PLC0415 (imports asyncio)

        await in_thread(lambda: self.stop(name))

    async def alogs(
        self, name: str, *, follow: bool = False, tail: int | None = None
    ) -> AsyncGenerator[str]:
        """Yield the log of a server by lines, with asyncio; see `logs`."""
        from ramalama.system.threads import (  # noqa: PLC0415 (imports asyncio)
            close_items,
            each_in_thread,
            in_thread,
        )

        with engine_errors():
            lines = await in_thread(
                lambda: self._open_log(name, follow=follow, tail=tail), undo=close_items
            )
            async with aclosing(each_in_thread(lines)) as each:
                async for line in each:
                    yield line
