"""Make candidates of podman's connections and of its virtual machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_engines.address import EngineAddress, parse_url
from ramalama_engines.discovery.known_sockets import MACOS
from ramalama_engines.discovery.locate import Candidate, is_loopback, with_warning
from ramalama_engines.discovery.podman_connections import read_connections
from ramalama_engines.discovery.podman_machine import machines
from ramalama_engines.kinds import EngineKind
from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramalama_engines.discovery.podman_connections import PodmanConnection
    from ramalama_engines.discovery.podman_machine import PodmanMachine
    from ramalama_engines.user import InvokingUser

_ROOTFUL = "-root"  # the suffix of a machine's second connection; vmconfigs, connection.go


def named_connection(user: InvokingUser, name: str, source: str, platform: str) -> Candidate:
    """Return the candidate for the connection *name*, which the user names by *source*.

    Raises:
        EngineUnavailable: there is no such connection, or it is not valid.
    """
    connection = read_connections(user).find(name, source)
    source = f"podman connection {printable(name)!r} ({source})"
    return _of_connection(user, connection, source, platform, explicit=True)


def podman_candidates(user: InvokingUser, platform: str, *, is_remote: bool) -> Iterator[Candidate]:
    """Yield the candidate for podman's default connection, then those for its virtual machines.

    *is_remote* says that containers.conf makes podman use its default connection. On macOS it
    always does. On another system a default connection to another host is only mentioned.

    Raises:
        EngineUnavailable: a file is not valid, or the default connection does not exist.
    """
    connections, rest = read_connections(user), [*machines(user, platform)]
    if name := connections.default:
        connection = connections.find(name, "podman's default")
        source = f"podman's default connection {printable(name)!r}"
        explicit = is_remote or (platform == MACOS and not connection.is_machine)
        candidate = _of_connection(user, connection, source, platform, explicit=explicit)
        yield candidate if explicit or _leads_here(candidate) else _mention(candidate, name)
        rest = [machine for machine in rest if machine != candidate.machine]
    for machine in rest:
        yield _of_machine(machine, f"podman machine {machine.name!r}")


def _of_connection(
    user: InvokingUser, connection: PodmanConnection, source: str, platform: str, *, explicit: bool
) -> Candidate:
    address = connection.address(user, source)
    start = ""
    if address.is_machine:
        name = connection.name.removesuffix(_ROOTFUL)
        for machine in machines(user, platform):
            if machine.name not in (connection.name, name):
                continue
            if not explicit:
                return _of_machine(machine, source)
            is_root = machine.name != connection.name
            return _chosen_machine(machine, address, source, is_root=is_root)
        start = f"podman machine init {name} && podman machine start {name}"
    return Candidate(
        address=address,
        kind=EngineKind.PODMAN,
        source=with_warning(source, address),
        explicit=explicit,
        start=start,
    )


def _of_machine(machine: PodmanMachine, source: str) -> Candidate:
    """Return the candidate for a machine that the user has not named."""
    refusal = machine.problem
    if machine.is_rootful:
        refusal = (
            "containers would run as root in this virtual machine; to allow it: "
            f"--connection {machine.name}{_ROOTFUL}"
        )
    forwarded = EngineAddress(url=f"unix://{machine.socket}")
    by_socket = refusal or machine.socket.exists()
    return Candidate(
        address=forwarded if by_socket else machine.ssh_address(),
        kind=EngineKind.PODMAN,
        source=source,
        explicit=False,
        refusal=refusal,
        start=machine.start,
        machine=machine,
    )


def _chosen_machine(
    machine: PodmanMachine, address: EngineAddress, source: str, *, is_root: bool
) -> Candidate:
    """Return the candidate for a machine whose connection the user has named."""
    if is_root == machine.is_rootful and not machine.problem and machine.socket.exists():
        address = EngineAddress(url=f"unix://{machine.socket}")
    return Candidate(
        address=address,
        kind=EngineKind.PODMAN,
        source=source,
        explicit=True,
        start=machine.start,
        machine=machine,
    )


def _leads_here(candidate: Candidate) -> bool:
    parts = parse_url(candidate.url)
    return parts.scheme == "unix" or is_loopback(parts)


def _mention(candidate: Candidate, name: str) -> Candidate:
    return Candidate(
        address=candidate.address,
        kind=candidate.kind,
        source=candidate.source,
        explicit=False,
        refusal="podman uses this connection to another host only with --remote; "
        f"to use it here: --connection {printable(name)}",
    )
