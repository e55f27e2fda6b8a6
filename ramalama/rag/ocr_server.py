"""Start the server of a model that reads pictures, when the first picture comes.

It is started as any other server, shared with other processes of the user, and kept for some
minutes after the last of them.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from ramalama.config.options import ServeOptions
from ramalama.errors import ModelUnsupported, ReadingFailed
from ramalama.rag.values import OcrInfo
from ramalama_chat.errors import ChatError
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.rag.embedding_server import EmbedderAccess
    from ramalama.rag.ocr.reader import ServerReader

# Settings that are meant for the model that answers, or for clients on a port.
_FOR_CHATS = frozenset({"ctx_size", "temp", "memory", "network"})


def nothing() -> None:
    """Do nothing."""


@frozen()
class OcrAccess:
    """What it takes to start a model that reads pictures.

    Attributes:
        servers: what starts servers.
        find: returns a model of this machine; None if it must be pulled first.
        on_started: is called after each start, even one that failed.
    """

    servers: EmbedderAccess
    find: Callable[[ModelRef], StoredModel | None]
    on_started: Callable[[], None] = nothing


class OcrModel:
    """Meets `PictureReader`; a context manager that gives its server back.

    The *known* model of an index is started when it is needed, and compared then. Another one is
    looked at first: a model of this machine without a projector, or one that must be pulled and
    whose server says that it does not see, is refused.
    """

    def __init__(self, name: str, access: OcrAccess, known: OcrInfo | None = None) -> None:
        """Look at the model.

        Raises:
            ModelError, EngineFailure, ServerError: the model cannot be had, or does not see.
        """
        settings = {
            key: value for key, value in access.servers.settings.items() if key not in _FOR_CHATS
        }
        self._options = ServeOptions(model=access.servers.resolve(name), **settings)  # type: ignore[arg-type]
        self._access = access
        self._known = known
        self._stack = ExitStack()
        self._opened: ServerReader | None = None
        if known is not None:
            self.info = known
            return
        model = access.find(self._options.model)
        if model is None:
            self.info = self._open().info
        else:
            self.info = self._identify(model)

    def read(self, picture: bytes) -> str:
        """Return the text in a picture; see `PictureReader`."""
        try:
            return self._open().read(picture)
        except ChatError:  # the server may have died of the picture: another one for the next
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    def _open(self) -> ServerReader:
        if self._opened is None:
            with ExitStack() as stack:
                self._opened = self._start(stack)
                self._stack = stack.pop_all()
        return self._opened

    def _start(self, stack: ExitStack) -> ServerReader:
        # The client is slow to import.
        from ramalama.rag.ocr.reader import ServerReader  # noqa: PLC0415
        from ramalama_chat.client.abilities import ask_abilities  # noqa: PLC0415

        try:
            server = stack.enter_context(self._access.servers.serve(self._options))
        finally:
            self._access.on_started()
        info = self._identify(server.plan.model)
        known = self._known
        if known is not None and known.digest != info.digest:
            msg = f"{known.model} is not the model any more that has read pages of the index"
            raise ReadingFailed(msg, hint="name it again with --ocr-model")
        client = server.client()
        if ask_abilities(client, server.model).sees is False:
            raise self._blind()
        return ServerReader(client, model=server.model, info=info)

    def _identify(self, model: StoredModel) -> OcrInfo:
        if model.directory:
            return OcrInfo(model=str(self._options.model))
        if not model.projectors:
            raise self._blind()
        files = (model.weights[0], *model.projectors)
        digests = [str(self._access.servers.digest_of(file)) for file in files]
        return OcrInfo(model=str(self._options.model), digest=" ".join(digests))

    def _blind(self) -> ModelUnsupported:
        msg = f"{self._options.model} cannot see pictures, so it cannot read scanned pages"
        return ModelUnsupported(msg, hint="name a model with a projector (mmproj)")

    def _close(self) -> None:
        self._opened = None
        self._stack.close()
