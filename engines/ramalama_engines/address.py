"""The address of an engine, with the files that prove who the user and the engine are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_values import frozen

if TYPE_CHECKING:
    from pathlib import Path


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
    """

    url: str
    identity_file: Path | None = None
    tls: TlsFiles | None = None
    is_machine: bool = False
