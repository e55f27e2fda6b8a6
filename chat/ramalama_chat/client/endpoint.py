"""The address of a model server, a UNIX socket or a TCP port, and how to connect to the socket.

The directory of a server's socket is mounted into its container. So the socket can be replaced by a
symbolic link, which would lead to any other socket of the user.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, TypeAlias

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Generator

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that are this machine; requests to them use no network and no proxy."""


@frozen(kw_only=False)
class UnixEndpoint:
    """A server on the UNIX socket at *path*; access is controlled by the socket's directory."""

    path: str

    @property
    def base_url(self) -> str:
        """The API's URL; its host is a placeholder, since the socket is the address."""
        return "http://localhost/v1"

    def __str__(self) -> str:
        return f"unix://{self.path}"


@frozen(kw_only=False)
class TcpEndpoint:
    """A server on a TCP port; *api_key* is None if the server needs no key."""

    host: str
    port: int
    api_key: str | None = field(default=None, repr=False)

    @property
    def base_url(self) -> str:
        """The API's URL."""
        return f"http://{self}/v1"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Endpoint: TypeAlias = UnixEndpoint | TcpEndpoint


@frozen(kw_only=False)
class UrlEndpoint:
    """A server at a URL, which may be anywhere; see `ramalama_chat.open_remote`."""

    url: str
    api_key: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.url


_DESCRIPTORS = "/proc/self/fd"


@contextmanager
def checked_socket(path: str) -> Generator[str]:
    """Yield another path of the socket at *path*, which leads there and nowhere else in the block.

    On Linux, the socket is opened first and then named by its descriptor, so it may be replaced at
    any time; the path is short, too. Without proc(5) or O_PATH, it is only checked before.

    Raises:
        OSError: *path* does not exist, or is not a socket, but for example a link to one.

    """
    if not (hasattr(os, "O_PATH") and os.path.isdir(_DESCRIPTORS)):  # noqa: PTH112 - no pathlib here
        _check(path, os.lstat(path))
        yield path
        return
    handle = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _check(path, os.fstat(handle))
        yield f"{_DESCRIPTORS}/{handle}"
    finally:
        os.close(handle)


def _check(path: str, status: os.stat_result) -> None:
    if not stat.S_ISSOCK(status.st_mode):
        raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK), path)
