"""The address of an engine, with the files that prove who the user and the engine are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ramalama_values import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama_engines.kinds import EngineKind

_SUPPORTED = "unix://, ssh:// or tcp://"
_UNSUPPORTED = frozenset({"http", "https", "npipe", "fd"})
_LONGEST = 4096
_LARGEST_PORT = 65535
_LONGEST_PORT = 5
# A name that begins with "-" is an option for a ProxyCommand, and other programs run these
# characters; ssh(1) refuses the same users.
_HOST = r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_][A-Za-z0-9._-]*"
_USER = r"""(?!-)[^\s'"`;&<>|(){}$\\*?!/@:]+"""


@frozen()
class TlsFiles:
    """PEM files for TLS with an engine.

    Attributes:
        ca: the certificates that may have signed the engine's; None for those of the system.
        cert, key: the user's own certificate and its key; None if the engine asks for none.
        verify: whether the engine's certificate and name are checked.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify: bool = True


@frozen()
class EngineAddress:
    """Where an engine listens: ``unix:///path``, ``ssh://user@host:port/path`` or ``tcp://…``.

    Attributes:
        identity_file: the private key for ssh; None for those that ssh's settings name.
        tls: the files for TLS over ``tcp://``; None means a connection without TLS.
        is_machine: whether it is a virtual machine of Podman on this host, whose ssh key is made
            anew with the machine and is not checked.
        kind: the engine whose usual sockets come first, if an ssh URL names no socket.
    """

    url: str
    identity_file: Path | None = None
    tls: TlsFiles | None = None
    is_machine: bool = False
    kind: EngineKind | None = None


@frozen()
class EngineUrl:
    """The parts of an engine's URL, without escapes.

    Attributes:
        scheme: "unix", "ssh" or "tcp".
        user: for ssh; "" leaves the choice to ssh's settings.
        host: a name of ssh's settings, a host name or an IP address; "" for unix.
        port: None for the usual one.
        path: the absolute path of the socket. For ssh it may be "": the path then depends on the
            user and the kind of engine, which are known only to the host. For tcp it is "".
    """

    scheme: str
    user: str = ""
    host: str = ""
    port: int | None = None
    path: str = ""


def parse_url(url: str) -> EngineUrl:
    """Parse the URL of an engine.

    Raises:
        ValueError: it is not valid; the message says why, and does not contain a password.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme in _UNSUPPORTED:
        msg = f"{scheme}:// is not supported; use {_SUPPORTED}"
        raise ValueError(msg)
    if not separator or scheme not in ("unix", "ssh", "tcp"):
        msg = f"it does not begin with {_SUPPORTED}"
        raise ValueError(msg)
    _check_characters(url)
    if scheme == "unix":
        if not rest.startswith("/"):
            msg = "the path of the socket is not absolute"
            raise ValueError(msg)
        return EngineUrl(scheme=scheme, path=rest)
    authority, slash, path = rest.partition("/")
    return _network(scheme, authority, slash + path if path else "")


def without_password(url: str) -> str:
    """Return *url* for messages; what could be a password in an invalid address is hidden."""
    if url.startswith("unix:///"):
        return url
    scheme, separator, rest = url.partition("://")
    userinfo, at, host = rest.rpartition("@") if separator else url.rpartition("@")
    if not at or (separator and _is_user(userinfo)):
        return url
    return f"{scheme}://***@{host}" if separator else f"***@{host}"


def _is_user(text: str) -> bool:
    try:
        return re.fullmatch(_USER, _unescaped(text)) is not None
    except ValueError:
        return False


def _check_characters(url: str) -> None:
    if len(url) > _LONGEST:
        msg = f"it is longer than {_LONGEST} characters"
    elif not url.isprintable():
        msg = "it contains control characters"
    elif "?" in url or "#" in url:
        msg = "it must not have a query or a fragment (? or #)"
    else:
        return
    raise ValueError(msg)


def _network(scheme: str, authority: str, path: str) -> EngineUrl:
    userinfo, at, location = authority.rpartition("@")
    found = re.fullmatch(rf"(?P<host>{_HOST})(?::(?P<port>.*))?", location)
    path = _unescaped(path)
    if ":" in userinfo:
        msg = "it must not contain a password; use a key or an agent"
    elif not found:
        msg = "it has no valid host name"
    elif scheme == "tcp" and (at or path):
        msg = "a tcp:// address is only a host and a port"
    elif at and not re.fullmatch(_USER, _unescaped(userinfo)):
        msg = "it has no valid user name"
    elif not path.isprintable():
        msg = "its path contains control characters"
    else:
        host, port = found["host"].strip("[]"), _port(found["port"])
        return EngineUrl(scheme=scheme, user=_unescaped(userinfo), host=host, port=port, path=path)
    raise ValueError(msg)


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_PORT:
        port = int(text)
        if 0 < port <= _LARGEST_PORT:
            return port
    msg = f"the port is not a number from 1 to {_LARGEST_PORT}"
    raise ValueError(msg)


def _unescaped(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote  # noqa: PLC0415 (few addresses have escapes)

    return unquote(text, errors="strict")  # UnicodeDecodeError is a ValueError
