"""The interfaces of a way to an engine, and of the host at its other end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ramalama_values import frozen

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

PROTECTED = 0o400
"""The mode of a file that is complete: its user may read it, and no user write it."""


@frozen()
class RemoteFile:
    """A file of a remote host.

    *size* is in bytes, *modified* in seconds since 1970 by the host's clock; *mode* has the
    permission bits.
    """

    size: int
    modified: float
    uid: int
    gid: int
    mode: int
    is_directory: bool
    is_link: bool = False


class RemoteFiles(Protocol):
    """The files of a remote host that its ssh service lets this user see; sftp-server(8).

    Paths are absolute. Every method blocks and may be called from any thread.

    Raises:
        RemoteFileError: the host refuses; *missing*, *full* and *denied* say why.
        EngineUnavailable: the connection is lost.
    """

    def home(self) -> str:
        """Return the user's home directory."""
        ...

    def find(self, path: str) -> RemoteFile | None:
        """Return what *path* is, without following a link at its end; None if there is nothing."""
        ...

    def find_all(self, paths: Sequence[str]) -> Sequence[RemoteFile | None]:
        """Return what each of *paths* is, as `find` does; all are asked for at once."""
        ...

    def listing(self, directory: str) -> Mapping[str, RemoteFile]:
        """Return what is in *directory*, by name, without "." and ".."."""
        ...

    def read(self, path: str, *, most: int) -> bytes:
        """Return the content of a file, at most its first *most* bytes."""
        ...

    def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        """Create the file *path*, which must not exist."""
        ...

    def upload(
        self,
        source: Path,
        path: str,
        *,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        """Copy the file *source* to *path*; go on with what an earlier call has left there.

        At the end its bytes are on the disk. *on_progress* gets the number of bytes that are there
        so far; an exception raised by it ends the copy, and what is there stays.
        """
        ...

    def make_directory(self, path: str, *, mode: int = 0o700) -> None:
        """Create *path* with its parents; it may exist already."""
        ...

    def rename(self, path: str, target: str) -> None:
        """Give *path* the name *target*, in place of what has it."""
        ...

    def protect(self, path: str) -> None:
        """Set the mode of a file to `PROTECTED`."""
        ...

    def touch(self, path: str) -> None:
        """Create the file *path*, or set its time to now by the clock of its host."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file, or a directory with all its contents; it need not exist."""
        ...

    def free_space(self, path: str) -> int | None:
        """Return the bytes that this user may still write; None if the host does not tell."""
        ...


class SshHost(Protocol):
    """The host of an engine, over one ssh connection that is opened when it is needed.

    Every method blocks and may be called from any thread. A lost connection is opened again by the
    next call. All raise EngineUnavailable with one line that says what to do.
    """

    @property
    def name(self) -> str:
        """The user and the host for messages, "user@host"."""
        ...

    @property
    def files(self) -> RemoteFiles | None:
        """The files of the host; None if its ssh service has no SFTP."""
        ...

    def forward_socket(self, path: str) -> Path:
        """Return a socket of this host that leads to the UNIX socket *path* of the remote one.

        It exists until `release` or the end of the connection, in a directory that only this user
        can enter. The remote socket is looked for with each connection only.
        """
        ...

    def forward_port(self, host: str, port: int, *, local: int = 0) -> int:
        """Return a port of 127.0.0.1 that leads to *port* of *host*, as the remote host sees it.

        It is *local*, if that port is free here; otherwise any.
        """
        ...

    def release(self, forwarded: Path | int) -> None:
        """End the forwarding of a socket or a port; it need not exist."""
        ...


class Route(Protocol):
    """The way to the API of one engine; may be used from any thread."""

    @property
    def url(self) -> str:
        """The address of the engine, without a password."""
        ...

    @property
    def socket_path(self) -> str | None:
        """The path of the engine's own socket if that is on this host, else None."""
        ...

    @property
    def ssh(self) -> SshHost | None:
        """The host of the engine, if the way leads over ssh."""
        ...

    def dial(self, timeout: float | None) -> socket.socket:
        """Return a new connection to the API, whose operations time out after *timeout* seconds.

        Raises:
            OSError: no connection is possible, for the reason that the operating system gives.
            EngineUnavailable: no connection is possible, for a reason of ssh or TLS.
        """
        ...

    def close(self) -> None:
        """Close the connection to the host of the engine, if there is one."""
        ...
