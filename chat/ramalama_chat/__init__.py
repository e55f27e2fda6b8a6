"""Chat with an OpenAI-compatible model server, such as llama-server or vLLM.

This package does not know how the server was started. Importing it loads almost nothing: a name's
module is loaded when the name is first used. The OpenAI SDK is loaded with the first use of
`ChatSession`, `open_client` or `open_async_client`, or by `preload`.
"""

# Imported at once, unlike the rest: the module has the same name and would take its place.
from ramalama_chat.preload import preload

# Type checkers know this name; importing `typing` would take time that not every caller needs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ramalama_chat.client.client import open_async_client, open_client
    from ramalama_chat.client.endpoint import Endpoint, TcpEndpoint, UnixEndpoint
    from ramalama_chat.client.failures import chat_errors
    from ramalama_chat.client.remote import open_async_remote, open_remote
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
    from ramalama_chat.input.prompt import read_prompt
    from ramalama_chat.keepalive import parse_duration
    from ramalama_chat.output.answer import write_answer
    from ramalama_chat.output.color import ColorMode, default_prefix, use_color
    from ramalama_chat.repl.repl import Repl
    from ramalama_chat.session.answer import Answer, AsyncAnswer
    from ramalama_chat.session.async_session import AsyncChatSession
    from ramalama_chat.session.conversation import Conversation, Exchange
    from ramalama_chat.session.ending import Usage
    from ramalama_chat.session.session import ChatSession
    from ramalama_chat.text import ControlFilter

__all__ = [
    "Answer",
    "AnswerInvalid",
    "AnswerTimedOut",
    "AsyncAnswer",
    "AsyncChatSession",
    "ChatError",
    "ChatSession",
    "ColorMode",
    "ContextExceeded",
    "ControlFilter",
    "Conversation",
    "Endpoint",
    "Exchange",
    "InputRefused",
    "KeepAliveExpired",
    "NoAnswer",
    "PromptTooLarge",
    "Repl",
    "RequestFailed",
    "ServerGone",
    "ServerSilent",
    "SessionBusy",
    "TcpEndpoint",
    "UnixEndpoint",
    "Usage",
    "chat_errors",
    "default_prefix",
    "open_async_client",
    "open_async_remote",
    "open_client",
    "open_remote",
    "parse_duration",
    "preload",
    "read_prompt",
    "use_color",
    "write_answer",
]

_ERRORS = "errors"
_HOMES = {
    "Answer": "session.answer",
    "AsyncAnswer": "session.answer",
    "AsyncChatSession": "session.async_session",
    "ChatSession": "session.session",
    "ColorMode": "output.color",
    "ControlFilter": "text",
    "Conversation": "session.conversation",
    "Endpoint": "client.endpoint",
    "Exchange": "session.conversation",
    "Repl": "repl.repl",
    "TcpEndpoint": "client.endpoint",
    "UnixEndpoint": "client.endpoint",
    "Usage": "session.ending",
    "chat_errors": "client.failures",
    "default_prefix": "output.color",
    "open_async_client": "client.client",
    "open_async_remote": "client.remote",
    "open_client": "client.client",
    "open_remote": "client.remote",
    "parse_duration": "keepalive",
    "read_prompt": "input.prompt",
    "use_color": "output.color",
    "write_answer": "output.answer",
}


if not TYPE_CHECKING:  # a checker that sees it takes every name for a public one

    def __getattr__(name: str) -> object:
        """Load a public name when it is first used (PEP 562)."""
        if name not in __all__:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        from importlib import import_module  # noqa: PLC0415 - late, like what it imports

        from ramalama_values.type_hints import make_resolvable  # noqa: PLC0415 (likewise)

        value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, _ERRORS)}"), name)
        make_resolvable(value)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
