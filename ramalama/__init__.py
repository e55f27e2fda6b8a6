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
    from ramalama.api.functions import (
        aattach,
        aconnect,
        alogs,
        apull,
        aserve,
        astart,
        astop,
        attach,
        connect,
        logs,
        pull,
        serve,
        start,
        stop,
    )
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
    from ramalama.serving.queries.health import ServerHealth
    from ramalama.serving.restarts import Restarts
    from ramalama.serving.served_model import ServedModel
    from ramalama.serving.server import ModelServer
    from ramalama.serving.sigterm import exit_on_sigterm
    from ramalama_accel.runtime_name import RuntimeName
    from ramalama_chat.client.failures import chat_errors
    from ramalama_chat.errors import (
        AnswerInvalid,
        AnswerTimedOut,
        ChatError,
        ContextExceeded,
        InputRefused,
        KeepAliveExpired,
        NoAnswer,
        PromptTooLarge,
        RequestFailed,
        ServerGone,
        ServerSilent,
        SessionBusy,
    )
    from ramalama_engines.errors import (
        ContainerConflict,
        ContainerNotFound,
        ContainerStartError,
        DeviceNotFound,
        EngineError,
        EngineUnavailable,
        ImageBuildError,
        ImageNotFound,
        ImagePullError,
        ProgramNotFound,
        RemoteFileError,
        UnknownRuntime,
        UnsupportedOption,
    )
    from ramalama_engines.kinds import PullPolicy
    from ramalama_values.errors import RamalamaError

__all__ = [
    "AccessDenied",
    "AnswerInvalid",
    "AnswerTimedOut",
    "Cache",
    "ChatError",
    "Config",
    "ConfigError",
    "ContainerConflict",
    "ContainerNotFound",
    "ContainerStartError",
    "ContextExceeded",
    "DeviceNotFound",
    "DocumentNotFound",
    "EmbeddingFailed",
    "EngineError",
    "EngineFailure",
    "EngineUnavailable",
    "ImageBuildError",
    "ImageNotFound",
    "ImagePullError",
    "IndexInvalid",
    "IndexNotFound",
    "IndexUnwritable",
    "InputRefused",
    "InvalidReference",
    "KeepAliveExpired",
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
    "NoAnswer",
    "NothingToIndex",
    "OptionRefused",
    "ProgramNotFound",
    "PromptTooLarge",
    "PullOptions",
    "PullPolicy",
    "RagError",
    "Ramalama",
    "RamalamaError",
    "ReadingFailed",
    "RemoteFileError",
    "RequestFailed",
    "Restarts",
    "RuntimeName",
    "ServeOptions",
    "ServedModel",
    "ServerError",
    "ServerExited",
    "ServerGone",
    "ServerHealth",
    "ServerNotReady",
    "ServerSilent",
    "SessionBusy",
    "StartCancelled",
    "StoreError",
    "Transport",
    "UnknownModel",
    "UnknownRuntime",
    "UnsupportedOption",
    "WrongEndianness",
    "__version__",
    "aattach",
    "aconnect",
    "alogs",
    "apull",
    "aserve",
    "astart",
    "astop",
    "attach",
    "chat_errors",
    "connect",
    "exit_on_sigterm",
    "logs",
    "pull",
    "serve",
    "start",
    "stop",
]

_ERRORS = "ramalama.errors"
_CHAT_ERRORS = "ramalama_chat.errors"
_ENGINE_ERRORS = "ramalama_engines.errors"
_FUNCTIONS = "ramalama.api.functions"
_HOMES = {
    "AnswerInvalid": _CHAT_ERRORS,
    "AnswerTimedOut": _CHAT_ERRORS,
    "Cache": "ramalama.models.store.caches.base",
    "ChatError": _CHAT_ERRORS,
    "Config": "ramalama.config.config",
    "ContainerConflict": _ENGINE_ERRORS,
    "ContainerNotFound": _ENGINE_ERRORS,
    "ContainerStartError": _ENGINE_ERRORS,
    "ContextExceeded": _CHAT_ERRORS,
    "DeviceNotFound": _ENGINE_ERRORS,
    "EngineError": _ENGINE_ERRORS,
    "EngineUnavailable": _ENGINE_ERRORS,
    "ImageBuildError": _ENGINE_ERRORS,
    "ImageNotFound": _ENGINE_ERRORS,
    "ImagePullError": _ENGINE_ERRORS,
    "InputRefused": _CHAT_ERRORS,
    "KeepAliveExpired": _CHAT_ERRORS,
    "LaunchPlan": "ramalama.planning.plan",
    "ModelRef": "ramalama.models.reference.reference",
    "ModelServer": "ramalama.serving.server",
    "Models": "ramalama.models.library",
    "NoAnswer": _CHAT_ERRORS,
    "ProgramNotFound": _ENGINE_ERRORS,
    "PromptTooLarge": _CHAT_ERRORS,
    "PullOptions": "ramalama.models.options",
    "PullPolicy": "ramalama_engines.kinds",
    "Ramalama": "ramalama.api.client",
    "Restarts": "ramalama.serving.restarts",
    "RamalamaError": "ramalama_values.errors",
    "RemoteFileError": _ENGINE_ERRORS,
    "RequestFailed": _CHAT_ERRORS,
    "RuntimeName": "ramalama_accel.runtime_name",
    "ServeOptions": "ramalama.config.options",
    "ServedModel": "ramalama.serving.served_model",
    "ServerGone": _CHAT_ERRORS,
    "ServerSilent": _CHAT_ERRORS,
    "ServerHealth": "ramalama.serving.queries.health",
    "SessionBusy": _CHAT_ERRORS,
    "Transport": "ramalama.models.transports.base",
    "exit_on_sigterm": "ramalama.serving.sigterm",
    "UnknownRuntime": _ENGINE_ERRORS,
    "UnsupportedOption": _ENGINE_ERRORS,
    "aattach": _FUNCTIONS,
    "aconnect": _FUNCTIONS,
    "alogs": _FUNCTIONS,
    "apull": _FUNCTIONS,
    "aserve": _FUNCTIONS,
    "astart": _FUNCTIONS,
    "astop": _FUNCTIONS,
    "attach": _FUNCTIONS,
    "chat_errors": "ramalama_chat.client.failures",
    "connect": _FUNCTIONS,
    "logs": _FUNCTIONS,
    "pull": _FUNCTIONS,
    "serve": _FUNCTIONS,
    "start": _FUNCTIONS,
    "stop": _FUNCTIONS,
}


if not TYPE_CHECKING:  # a checker that sees it takes every name for a public one

    def __getattr__(name: str) -> object:
        """Load a public name when it is first used (PEP 562)."""
        if name not in __all__:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        from importlib import import_module  # noqa: PLC0415 (the command line's fast paths need it not)

        from ramalama_values.type_hints import make_resolvable  # noqa: PLC0415 (likewise)

        value: object = getattr(import_module(_HOMES.get(name, _ERRORS)), name)
        make_resolvable(value)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
