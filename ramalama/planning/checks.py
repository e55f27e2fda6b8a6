"""Check that the options of a server go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.config.api_name import ApiName
from ramalama.config.defaults import LOOPBACK
from ramalama.errors import OptionRefused
from ramalama_engines.kinds import EngineKind

if TYPE_CHECKING:
    from ramalama.config.options import ServeOptions

_KEY = r"[!-~]{1,512}"
_NETWORKLESS = ("container:", "ns:", "pod:", "service:")


def check_options(options: ServeOptions) -> None:
    """Check that *options* do not contradict each other.

    Raises:
        OptionRefused: they do; the message says which and what to do.
    """
    if options.network.startswith(_NETWORKLESS):
        msg = f"network mode {options.network!r} cannot publish a port"
        raise OptionRefused(msg, hint="use none or bridge")
    if options.embeddings and options.rag is not None:
        msg = "--rag is for a model that chats, and --embeddings serves one that does not"
        raise OptionRefused(msg, hint="omit one of them")
    if options.api is not ApiName.NONE:
        _check_api(options)
    if options.network == "none" and options.port is not None:
        msg = "--port requires a network"
        raise OptionRefused(msg, hint="add --network bridge, or omit --port")
    if options.host != LOOPBACK or options.api_key is not None:
        _check_reach(options)


def _check_api(options: ServeOptions) -> None:
    if options.embeddings:
        msg = f"--api {options.api} serves a model that chats, and --embeddings one that does not"
        raise OptionRefused(msg, hint="omit one of them")
    if options.network == "host":
        msg = f"--api {options.api} keeps the model server away from all other programs"
        raise OptionRefused(msg, hint="use --network bridge instead of host, or none")
    if "${" in (options.api_key or ""):
        msg = "with --api, the API key must not contain '${'"
        raise OptionRefused(msg)


def check_on_engine(options: ServeOptions, kind: EngineKind, *, rootless: bool) -> None:
    """Check that an engine of this *kind* can do what *options* ask for.

    Raises:
        OptionRefused: it cannot, and would not say so.
    """
    if options.network == "host" and kind is EngineKind.DOCKER and rootless:
        msg = "--network host of a rootless Docker is not the network of this host"
        raise OptionRefused(msg, hint="use --network bridge, or none")


def _check_reach(options: ServeOptions) -> None:
    import re  # noqa: PLC0415 (rarely used)

    if options.network == "none":
        msg = "--host and --api-key require a network"
        raise OptionRefused(msg, hint="add --network bridge")
    if not is_address(options.host):
        msg = f"--host {options.host!r} is not an IP address; 0.0.0.0 means all of this machine"
        raise OptionRefused(msg)
    if options.api_key is not None and not re.fullmatch(_KEY, options.api_key):
        msg = "the API key is not 1 to 512 printable ASCII characters without a space"
        raise OptionRefused(msg)


def is_address(text: str) -> bool:
    """Return whether *text* is an IPv4 or IPv6 address."""
    import socket  # noqa: PLC0415 (see above)

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False
