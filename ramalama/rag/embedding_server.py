"""Start the server of an embedding model, for as long as it is needed.

It is started as any other server, shared with other processes of the user, and kept for some
minutes after the last of them, since questions and commands often follow each other.
"""

from __future__ import annotations

import shlex
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, cast

from ramalama.config.defaults import DEFAULT_EMBEDDING_MODEL, NO_EMBEDDING_MODEL
from ramalama.config.options import ServeOptions
from ramalama.errors import (
    EmbeddingFailed,
    EngineFailure,
    InvalidReference,
    ModelError,
    ServerError,
    StartCancelled,
)
from ramalama.events import Notice
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.planning.embedding import read_limits
from ramalama.rag.prefixes import find_prefixes, names_of
from ramalama.rag.values import EmbedderInfo
from ramalama_accel.runtime_name import RuntimeName
from ramalama_values import frozen
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ramalama.events import EventHook
    from ramalama.models.formats.model_files import Digest
    from ramalama.rag.embeddings import ServerEmbedder
    from ramalama.rag.values import Embedder
    from ramalama.serving.server import ModelServer

KEEP_ALIVE = 300.0
"""Seconds for which a server stays after its last user."""

_OTHER_MODEL = """\
the setting `embedding_model` names another one, such as a file of this machine, or none"""

# Settings that are meant for the model that answers, or for clients on a port.
_FOR_CHATS = frozenset({"ctx_size", "temp", "memory", "network"})


@frozen()
class EmbedderAccess:
    """What it takes to start an embedding model.

    Attributes:
        resolve: returns the reference of a model that the user has named.
        settings: the options of every server that the user has set, see `ServeOptions`.
        serve: serves a model for the length of a block. It is asked for a shared server.
        digest_of: returns the digest of a file of a model.
        wanted: the model that the settings name; None for the default one, or "none".
        is_here: returns whether a model is in the store, so that nothing is pulled for it.
        on_event: is told what happens, and of notices.
    """

    resolve: Callable[[str], ModelRef]
    settings: Mapping[str, object]
    serve: Callable[[ServeOptions], AbstractContextManager[ModelServer]]
    digest_of: Callable[[Path], Digest]
    wanted: str | None
    is_here: Callable[[ModelRef], bool]
    on_event: EventHook


@contextmanager
def opened_embedder(named: str | None, access: EmbedderAccess) -> Generator[Embedder | None]:
    """Open the embedding model that the user has *named*, for the length of a block.

    None stands for the default model; where that cannot be had, a `Notice` says so, and there is no
    embedder. "none" asks for no embedder.

    Raises:
        ModelError: the named model cannot be had, or makes no embeddings.
        EngineFailure, ServerError: it cannot be started.
        EmbeddingFailed: its server does not answer as it should.
    """
    if named == NO_EMBEDDING_MODEL:
        yield None
        return
    with ExitStack() as stack:
        yield _start_default(access, stack) if named is None else _start(named, access, stack)


@contextmanager
def reopened_embedder(info: EmbedderInfo, access: EmbedderAccess) -> Generator[Embedder]:
    """Open the embedding model of an index, for the length of a block.

    A stranger may have made the index. So a model that the user has not chosen is not pulled for
    it, and no file of this machine is used because an index names it.

    Raises:
        EmbeddingFailed: the model is not used, or is not the same any more; or as in
            `opened_embedder`.
        ModelError, EngineFailure, ServerError: as in `opened_embedder`.
    """
    _check_name(info.model, access)
    with ExitStack() as stack:
        embedder = _start(info.model, access, stack, known=info)
        if embedder.info.dimension != info.dimension:
            raise _is_another(info)
        yield embedder


def _check_name(name: str, access: EmbedderAccess) -> None:
    """Check that a model that an index names is one of the user's choice, or in the store.

    Raises:
        EmbeddingFailed: it is not.
    """
    shown = one_line(name)
    try:
        reference = ModelRef.parse(name) if "://" in name else None
    except InvalidReference:
        reference = None
    if reference is None:
        msg = f"the index names {shown} as its embedding model, which is no full name of a model"
        raise EmbeddingFailed(msg, hint="make the index again")
    wanted = None if access.wanted == NO_EMBEDDING_MODEL else access.wanted
    if reference in {access.resolve(each) for each in (DEFAULT_EMBEDDING_MODEL, wanted) if each}:
        return
    if reference.scheme is Scheme.FILE:
        msg = (
            f"the index names the file {shown} as its embedding model; it is used only if "
            "`embedding_model` in ramalama.conf, or RAMALAMA_EMBEDDING_MODEL, names it, too"
        )
        raise EmbeddingFailed(msg)
    if not access.is_here(reference):
        pull = f"`ramalama pull {shlex.quote(str(reference))}`"
        msg = (
            f"the index names {shown} as its embedding model, which is not on this machine; "
            f"if you trust it, {pull} gets it"
        )
        raise EmbeddingFailed(msg)


def _start_default(access: EmbedderAccess, stack: ExitStack) -> Embedder | None:
    try:
        return _start(DEFAULT_EMBEDDING_MODEL, access, stack)
    except StartCancelled:
        raise
    except (ModelError, EngineFailure, ServerError, EmbeddingFailed) as exc:
        name = DEFAULT_EMBEDDING_MODEL
        msg = f"{name} cannot be used, so only words are searched, not meanings: {exc}"
        access.on_event(Notice(f"{msg}; {_OTHER_MODEL}"))
        return None


def _start(
    name: str, access: EmbedderAccess, stack: ExitStack, *, known: EmbedderInfo | None = None
) -> ServerEmbedder:
    from ramalama.rag.embeddings import ServerEmbedder  # noqa: PLC0415 (openai is slow to import)

    options = _options(name, access)
    server = stack.enter_context(access.serve(options))
    info = _identify(options, server, access)
    if known is not None:
        if known.digest and known.digest != info.digest:
            raise _is_another(known)
        info = known
    limits = read_limits(options, server.plan.model)
    return stack.enter_context(
        ServerEmbedder(
            server.client(),
            model=server.model,
            identity=info,
            limit=None if limits is None else limits.text,
        )
    )


def _options(name: str, access: EmbedderAccess) -> ServeOptions:
    settings = {key: value for key, value in access.settings.items() if key not in _FOR_CHATS}
    if name == DEFAULT_EMBEDDING_MODEL and settings.pop("runtime", None) == RuntimeName.VLLM:
        settings.pop("image", None)  # of vLLM, which does not load a model of Ollama
    keywords = cast("dict[str, object]", {**settings, "embeddings": True})
    return ServeOptions(model=access.resolve(name), **keywords)  # type: ignore[arg-type]


def _identify(options: ServeOptions, server: ModelServer, access: EmbedderAccess) -> EmbedderInfo:
    model = server.plan.model
    limits = read_limits(options, model)
    prefixes = find_prefixes(names_of(model))
    return EmbedderInfo(
        model=str(options.model),
        digest="" if model.directory else str(access.digest_of(model.weights[0])),
        dimension=0,
        pooling=(limits.pooling if limits else None) or "",
        document_prefix=prefixes.document,
        query_prefix=prefixes.question,
    )


def _is_another(info: EmbedderInfo) -> EmbeddingFailed:
    msg = f"{info.model} is not the model any more that has made the vectors of the index"
    return EmbeddingFailed(msg, hint="make the index again")
