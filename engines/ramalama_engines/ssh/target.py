"""The URL of an engine behind ssh: ``ssh://[user@]host[:port][/path/of/the.sock]``."""

from __future__ import annotations

from typing import Self
from urllib.parse import unquote, urlsplit

from ramalama_engines.errors import EngineUnavailable
from ramalama_values import frozen
from ramalama_values.text import one_line


@frozen()
class SshTarget:
    """A host and a socket of it, as the user named them.

    Attributes:
        host: a name, an address, or an alias of ssh_config(5).
        user, port: None for those of ssh's settings.
        path: the engine's socket on that host; None to look for it in the usual places.
    """

    host: str
    user: str | None = None
    port: int | None = None
    path: str | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse a URL.

        Raises:
            EngineUnavailable: it is not an ssh:// URL, or it has a password, which is not shown.
        """
        try:
            parts = urlsplit(url)
            host, user, port = parts.hostname, parts.username, parts.port
        except ValueError:
            host = user = port = None
            parts = None
        if parts is not None and parts.password is not None:
            msg = f"the URL ssh://{one_line(host or '')} has a password in it"
            raise EngineUnavailable(msg, hint="remove it, and let ssh ask for it or use a key")
        if parts is None or parts.scheme != "ssh" or not host or parts.query or parts.fragment:
            msg = "not the address of an engine over ssh"
            raise EngineUnavailable(msg, hint="write ssh://USER@HOST:PORT/PATH/OF/podman.sock")
        named = _host(parts.netloc, host)
        user = unquote(user) if user else None
        if named.startswith("-") or any(map(_is_odd, f"{named}{user or ''}")):
            msg = f"ssh://{one_line(named)}: no host can have this name"
            raise EngineUnavailable(msg)
        path = unquote(parts.path)
        return cls(host=named, user=user, port=port, path=path if path.strip("/") else None)

    @property
    def name(self) -> str:
        """The user, if one is given, and the host."""
        return one_line(f"{self.user}@{self.host}" if self.user else self.host)

    @property
    def url(self) -> str:
        """The URL, without what a message must not have."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return one_line(f"ssh://{user}{host}{port}{self.path or ''}")


def _host(netloc: str, lower: str) -> str:
    """Return the host in its own spelling: an alias of ssh_config(5) is case sensitive."""
    _, _, behind = netloc.rpartition("@")
    at = behind.lower().find(lower)
    return behind[at : at + len(lower)]


def _is_odd(char: str) -> bool:
    return char.isspace() or not char.isprintable() or char in "\\'\"`$;&|<>(){}"
