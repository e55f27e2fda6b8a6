"""Run AI models in locked-down containers, through the Podman and Docker REST APIs.

    import ramalama

    with ramalama.serve("hf://org/model:Q4_K_M", ctx_size=8192) as server:
        for piece in server.chat().ask("Why is the sky blue?"):
            print(piece, end="")

    async with ramalama.aserve("ollama://smollm2:135m") as server:
        client = server.async_client()  # an openai.AsyncOpenAI, wired to the server's socket

Both stand on `Ramalama`, a handle that services keep for as long as they live.
Importing this loads nothing else; a name's module is loaded when the name is first used.
"""

from __future__ import annotations

from ramalama._version import __version__

# Type checkers know the name; importing `typing` for it would take half of `ramalama version`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ramalama.api.client import Ramalama
    from ramalama.api.functions import aserve, serve
    from ramalama.config.config import Config
    from ramalama.config.options import ServeOptions
    from ramalama.errors import (
        AccessDenied,
        ConfigError,
        DocumentNotFound,
        EmbeddingFailed,
        EngineFailure,
        IndexInvalid,
        IndexNotFound,
        IndexUnwritable,
        InvalidReference,
        ModelError,
        ModelNotFound,
        ModelPullError,
        ModelPushError,
        ModelTooLarge,
        ModelUnreadable,
        ModelUnsupported,
        NothingToIndex,
        OptionRefused,
        RagError,
        RamalamaError,
        ReadingFailed,
        ServerError,
        ServerExited,
        ServerNotReady,
        StartCancelled,
        StoreError,
        UnknownModel,
        WrongEndianness,
    )
    from ramalama.models.library import Models
    from ramalama.models.options import PullOptions
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.caches.base import Cache
    from ramalama.models.transports.base import Transport
    from ramalama.planning.plan import LaunchPlan
    from ramalama.serving.restarts import Restarts
    from ramalama.serving.server import ModelServer
    from ramalama.serving.sigterm import exit_on_sigterm
    from ramalama_accel.runtime_name import RuntimeName
    from ramalama_engines.kinds import PullPolicy

__all__ = [
    "AccessDenied",
    "Cache",
    "Config",
    "ConfigError",
    "DocumentNotFound",
    "EmbeddingFailed",
    "EngineFailure",
    "IndexInvalid",
    "IndexNotFound",
    "IndexUnwritable",
    "InvalidReference",
    "LaunchPlan",
    "ModelError",
    "ModelNotFound",
    "ModelPullError",
    "ModelPushError",
    "ModelRef",
    "ModelServer",
    "ModelTooLarge",
    "ModelUnreadable",
    "ModelUnsupported",
    "Models",
    "NothingToIndex",
    "OptionRefused",
    "PullOptions",
    "PullPolicy",
    "RagError",
    "Ramalama",
    "RamalamaError",
    "ReadingFailed",
    "Restarts",
    "RuntimeName",
    "ServeOptions",
    "ServerError",
    "ServerExited",
    "ServerNotReady",
    "StartCancelled",
    "StoreError",
    "Transport",
    "UnknownModel",
    "WrongEndianness",
    "__version__",
    "aserve",
    "exit_on_sigterm",
    "serve",
]

_ERRORS = "ramalama.errors"
_HOMES = {
    "Cache": "ramalama.models.store.caches.base",
    "Config": "ramalama.config.config",
    "LaunchPlan": "ramalama.planning.plan",
    "ModelRef": "ramalama.models.reference.reference",
    "ModelServer": "ramalama.serving.server",
    "Models": "ramalama.models.library",
    "PullOptions": "ramalama.models.options",
    "PullPolicy": "ramalama_engines.kinds",
    "Ramalama": "ramalama.api.client",
    "Restarts": "ramalama.serving.restarts",
    "RuntimeName": "ramalama_accel.runtime_name",
    "ServeOptions": "ramalama.config.options",
    "Transport": "ramalama.models.transports.base",
    "aserve": "ramalama.api.functions",
    "exit_on_sigterm": "ramalama.serving.sigterm",
    "serve": "ramalama.api.functions",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used (PEP 562)."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module  # noqa: PLC0415 (the command line's fast paths need it not)

    value: object = getattr(import_module(_HOMES.get(name, _ERRORS)), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
