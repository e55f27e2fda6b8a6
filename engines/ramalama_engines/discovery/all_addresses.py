"""List the addresses of all engines that the user's settings name, chosen or not."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama_engines.discovery.docker_context import context_addresses
from ramalama_engines.discovery.podman_connections import read_connections
from ramalama_engines.discovery.podman_machine import machines
from ramalama_engines.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramalama_engines.address import EngineAddress
    from ramalama_engines.discovery.locate import Candidate
    from ramalama_engines.user import InvokingUser


def all_addresses(
    user: InvokingUser, first: Iterator[Candidate], platform: str
) -> Iterator[EngineAddress]:
    """Yield those of *first*, then those of all connections, machines and contexts.

    Settings that are not valid are skipped: one of them does not make another one wrong.
    """
    with suppress(EngineUnavailable):
        yield from (candidate.address for candidate in first)
    with suppress(EngineUnavailable):
        for connection in read_connections(user).connections.values():
            with suppress(EngineUnavailable):
                yield connection.address(user, connection.name)
    for machine in machines(user, platform):
        if not machine.problem:
            yield machine.ssh_address()
    yield from context_addresses(user)
