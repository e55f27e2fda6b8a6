"""Talk to an OpenAI-compatible model server: llama.cpp's, vLLM's.

Nothing here knows where the server came from. Importing this package is cheap; the OpenAI SDK is
imported with the first of `ChatSession`, `open_client` and `open_async_client` that is asked for,
or by `preload`.
"""

from typing import TYPE_CHECKING

from ramalama_chat.answer import write_answer
from ramalama_chat.color import ColorMode, default_prefix, use_color
from ramalama_chat.conversation import Conversation, Exchange
from ramalama_chat.endpoint import Endpoint, TcpEndpoint, UnixEndpoint
from ramalama_chat.errors import (
    ChatError,
    ContextExceeded,
    KeepAliveExpired,
    PromptTooLarge,
    RequestFailed,
    ServerGone,
)
from ramalama_chat.keepalive import parse_duration
from ramalama_chat.preload import preload
from ramalama_chat.prompt import read_prompt
from ramalama_chat.repl import Repl
from ramalama_chat.terminal import ControlFilter

if TYPE_CHECKING:
    from ramalama_chat.client import open_async_client, open_client
    from ramalama_chat.session import ChatSession

__all__ = [
    "ChatError",
    "ChatSession",
    "ColorMode",
    "ContextExceeded",
    "ControlFilter",
    "Conversation",
    "Endpoint",
    "Exchange",
    "KeepAliveExpired",
    "PromptTooLarge",
    "Repl",
    "RequestFailed",
    "ServerGone",
    "TcpEndpoint",
    "UnixEndpoint",
    "default_prefix",
    "open_async_client",
    "open_client",
    "parse_duration",
    "preload",
    "read_prompt",
    "use_color",
    "write_answer",
]

_NEEDS_OPENAI = {
    "ChatSession": "session",
    "open_async_client": "client",
    "open_client": "client",
}


def __getattr__(name: str) -> object:
    """Import the part that needs the SDK (PEP 562)."""
    if name not in _NEEDS_OPENAI:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module  # noqa: PLC0415 - late, like what it imports

    return getattr(import_module(f"{__name__}.{_NEEDS_OPENAI[name]}"), name)
