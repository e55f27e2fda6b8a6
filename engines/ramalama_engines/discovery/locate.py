"""Make candidates from the addresses that users and files name, after a check of each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama_engines.address import EngineAddress, parse_url, without_password
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from ramalama_values import frozen
from ramalama_values.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama_engines.address import EngineUrl, TlsFiles
    from ramalama_engines.discovery.podman_machine import PodmanMachine


@frozen()
class EngineLocation:
    """Where the user says that the engine is: at *url*, or at a *connection* of podman.

    *source* is where they say so, as text for messages: "--engine-url", a variable, a file.
    """

    source: str
    url: str | None = None
    connection: str | None = None


@frozen()
class Candidate:
    """An address where an engine may answer.

    Attributes:
        kind: the only kind of engine that is accepted there; None accepts either.
        source: where the address is set, as text for messages.
        explicit: whether the user named it; then no other address may be used instead.
        refusal: why this engine must not be used, and what to do; "" if it may be.
        start: the command that starts this engine, if it is known.
        machine: the virtual machine of podman in which the engine runs.
    """

    address: EngineAddress
    kind: EngineKind | None
    source: str
    explicit: bool
    refusal: str = ""
    start: str = ""
    machine: PodmanMachine | None = None

    @property
    def url(self) -> str:
        """The address as text; it never contains a password."""
        return self.address.url


def checked_address(
    url: str,
    source: str,
    *,
    identity_file: Path | None = None,
    tls: TlsFiles | None = None,
    is_machine: bool = False,
) -> EngineAddress:
    """Return the address at *url*, with those of the files that its scheme uses.

    An engine that listens on a network without TLS gives its host to everybody who can reach it.
    Such an address is rejected, unless it is this host's own.

    Raises:
        EngineUnavailable: the address is not valid. The message has *source* and the address.
    """
    try:
        parts = parse_url(url)
        if parts.scheme == "tcp" and tls is None and not is_loopback(parts):
            msg = (
                "without TLS, everybody on the network could control this engine; "
                "set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH, or use ssh://"
            )
            raise ValueError(msg)  # noqa: TRY301 (the one error of an address)
    except ValueError as exc:
        msg = f"{source} says {printable(without_password(url)[:200])}: {exc}"
        raise EngineUnavailable(msg) from None
    return EngineAddress(
        url=url,
        identity_file=identity_file if parts.scheme == "ssh" else None,
        tls=tls if parts.scheme == "tcp" else None,
        is_machine=is_machine and parts.scheme == "ssh",
    )


def of_docker(address: EngineAddress) -> EngineAddress:
    """Return the *address* of a setting of docker: ssh without a socket means docker's own."""
    if not address.url.startswith("ssh:"):
        return address
    return replace(address, kind=EngineKind.DOCKER)


def is_loopback(parts: EngineUrl) -> bool:
    """Return whether the address is one of this host, which no other host can reach."""
    if parts.host == "localhost":
        return True
    from ipaddress import ip_address  # noqa: PLC0415 (few have such an engine)

    try:
        return ip_address(parts.host).is_loopback
    except ValueError:
        return False


def with_warning(source: str, address: EngineAddress) -> str:
    """Add to *source* what the user should know about the safety of the connection."""
    if not address.url.startswith("tcp:"):
        return source
    if address.tls is None:
        return f"{source}; without TLS, every user of this host can control this engine"
    if not address.tls.verify:
        return f"{source}; the engine's certificate is not checked"
    return source
