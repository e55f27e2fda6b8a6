"""Options that cannot go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.config.defaults import LOOPBACK
from ramalama.errors import OptionRefused

if TYPE_CHECKING:
    from ramalama.config.options import ServeOptions

_KEY = r"[!-~]{1,512}"
_NETWORKLESS = ("container:", "ns:", "pod:", "service:")


def check_options(options: ServeOptions) -> None:
    """Refuse what cannot go together, before anything is done.

    Raises:
        OptionRefused: see the message.
    """
    if options.network.startswith(_NETWORKLESS):
        msg = f"network mode {options.network!r} can publish no port for us"
        raise OptionRefused(msg, hint="use none or bridge")
    if options.network == "none" and options.port is not None:
        msg = "--port makes no sense without a network"
        raise OptionRefused(msg, hint="add --network bridge, or leave it out")
    if options.host != LOOPBACK or options.api_key is not None:
        _check_reach(options)


def _check_reach(options: ServeOptions) -> None:
    import re  # noqa: PLC0415 (hardly any start comes here)

    if options.network == "none":
        msg = "--host and --api-key make no sense without a network"
        raise OptionRefused(msg, hint="add --network bridge")
    if not is_address(options.host):
        msg = f"--host {options.host!r} is no IP address; 0.0.0.0 is every one of this machine"
        raise OptionRefused(msg)
    if options.api_key is not None and not re.fullmatch(_KEY, options.api_key):
        msg = "the API key is not 1 to 512 printable ASCII characters without a space"
        raise OptionRefused(msg)


def is_address(text: str) -> bool:
    """Return whether *text* is an IP address, of either version."""
    import socket  # noqa: PLC0415 (see above)

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False
