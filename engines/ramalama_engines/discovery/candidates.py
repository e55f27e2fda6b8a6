"""List the addresses where a container engine may answer, in order of preference.

1. the URL, or the connection of podman, that the caller names: `--engine-url`, `--connection`
2. podman's own variables: `CONTAINER_CONNECTION`, else `CONTAINER_HOST` with `CONTAINER_SSHKEY`
3. docker's own variable: `DOCKER_HOST`, with `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` for tcp
4. docker's context: `DOCKER_CONTEXT`, else `currentContext` in docker's config.json
5. podman's default connection, if podman itself uses it on this host, and podman's machines
6. the known sockets, see `known_sockets`
7. what 5 lists, if it has not come before

If one of 1 to 4 is set, the first of them is the only candidate: the user chose it, and a model
must not run on another engine because that one is down. The same holds for a default connection
that podman uses, unless `podman machine init` has made it: no user has chosen that one.

Podman uses its default connection on macOS, where it cannot run containers itself. On Linux it uses
the engine of this host, and the default connection only if containers.conf says ``remote = true``.
The first connection that is added becomes the default, so that it is not a choice either. On Linux
it therefore comes after the known sockets, and only if it leads to this host: a prompt must not go
to another host because no engine runs here. The message then tells how to use it.

If one kind of engine is requested, the settings of the other kind are ignored: with podman,
neither docker's variables nor its files are read.

All is read from files and variables; nothing is run or connected. Podman 6 orders its variables as
in 2 (cmd/podman/root.go, setupRemoteConnection), docker as in 3 and 4.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama_engines.address import EngineAddress
from ramalama_engines.discovery.containers_conf import may_be_remote, read_containers_conf
from ramalama_engines.discovery.known_sockets import MACOS, known_sockets
from ramalama_engines.discovery.locate import Candidate, checked_address, of_docker, with_warning
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramalama_engines.discovery.locate import EngineLocation
    from ramalama_engines.user import InvokingUser


def candidates(
    user: InvokingUser,
    *,
    kind: EngineKind | None = None,
    location: EngineLocation | None = None,
    platform: str = sys.platform,
) -> Iterator[Candidate]:
    """Yield the addresses where an engine of *kind* (None: any) may answer, best first.

    *location* is where the user says that it is. Files are read only when they matter.

    Raises:
        EngineUnavailable: settings cannot be read, or name an address that is not valid.
    """
    for candidate in _in_order(user, kind, location, platform):
        yield candidate
        if candidate.explicit:
            return


def expected_candidates(
    user: InvokingUser,
    *,
    kind: EngineKind | None = None,
    location: EngineLocation | None = None,
    platform: str = sys.platform,
) -> tuple[Candidate, ...]:
    """List where `connect` will probably find its engine, judged by files, without any connection.

    The result is one address: the one that the user names, or the first other one whose socket
    exists, or that is not on this host. If there is none, the result is all of them. If the
    settings cannot be read, the result is empty, and `connect` reports the error.
    """
    found: list[Candidate] = []
    try:
        for candidate in candidates(user, kind=kind, location=location, platform=platform):
            if candidate.explicit or (not candidate.refusal and _may_answer(candidate.url)):
                return (candidate,)
            found.append(candidate)
    except EngineUnavailable:
        return ()
    return tuple(found)


def find_address(
    user: InvokingUser,
    url: str,
    *,
    location: EngineLocation | None = None,
    platform: str = sys.platform,
) -> EngineAddress:
    """Return the address of an engine that was used before at *url*, with its keys.

    The user may have named it by an option that is not set now, so all settings are searched: what
    `candidates` yields, then all connections and contexts.

    Raises:
        EngineUnavailable: *url* is not valid, or needs files for TLS that no setting names.
    """
    if url.startswith("unix://"):
        return EngineAddress(url=url)
    from ramalama_engines.discovery.all_addresses import all_addresses  # noqa: PLC0415 (not local)

    listed = candidates(user, location=location, platform=platform)
    for address in all_addresses(user, listed, platform):
        if address.url == url:
            return address
    return _from_environment(user, url, "the record of a server")


def _may_answer(url: str) -> bool:
    scheme, _, path = url.partition("://")
    return scheme != "unix" or os.path.exists(path)  # noqa: PTH110 (a Path buys nothing here)


def _in_order(
    user: InvokingUser, kind: EngineKind | None, location: EngineLocation | None, platform: str
) -> Iterator[Candidate]:
    if location is not None:
        yield _located(user, kind, location, platform)
    yield from _from_variable(user, kind, platform)
    if kind is not EngineKind.PODMAN:
        yield from _from_context(user, kind)
    is_remote = kind is not EngineKind.DOCKER and _is_remote(user)
    uses_connection = is_remote or platform == MACOS
    if kind is not EngineKind.DOCKER and uses_connection:
        yield from _from_podman(user, platform, is_remote=is_remote)
    for known in known_sockets(user, platform):
        if kind in (None, known.kind):
            yield Candidate(
                address=EngineAddress(url=f"unix://{known.path}"),
                kind=kind,
                source=f"known socket of {known.program}" if known.program else "known socket",
                explicit=False,
                start=known.start,
            )
    if kind is not EngineKind.DOCKER and not uses_connection:
        yield from _from_podman(user, platform, is_remote=False)


def _located(
    user: InvokingUser, kind: EngineKind | None, location: EngineLocation, platform: str
) -> Candidate:
    source = location.source
    if location.url is not None:
        address = _from_environment(user, location.url, source)
        source = with_warning(source, address)
        return Candidate(address=address, kind=kind, source=source, explicit=True)
    if kind is EngineKind.DOCKER:
        msg = f"{source} names a connection of podman, but the engine is to be docker"
        raise EngineUnavailable(msg, hint="use DOCKER_CONTEXT, or another --engine")
    from ramalama_engines.discovery.podman_candidates import (  # noqa: PLC0415 (few name one)
        named_connection,
    )

    return named_connection(user, location.connection or "", source, platform)


def _from_environment(user: InvokingUser, url: str, source: str) -> EngineAddress:
    """Return the address at *url* with the key and the certificates that variables name."""
    if url.startswith("unix:"):
        return checked_address(url, source)
    from ramalama_engines.discovery.docker_context import (  # noqa: PLC0415 (not local)
        tls_from_environment,
    )

    tls = tls_from_environment(user)
    return checked_address(url, source, identity_file=_ssh_key(user), tls=tls)


def _from_variable(
    user: InvokingUser, kind: EngineKind | None, platform: str
) -> Iterator[Candidate]:
    env = user.env
    if kind is not EngineKind.DOCKER:
        if name := env.get("CONTAINER_CONNECTION"):
            from ramalama_engines.discovery.podman_candidates import (  # noqa: PLC0415 (few set it)
                named_connection,
            )

            yield named_connection(user, name, "CONTAINER_CONNECTION", platform)
        elif url := env.get("CONTAINER_HOST"):
            address = checked_address(url, "CONTAINER_HOST", identity_file=_ssh_key(user))
            source = with_warning("CONTAINER_HOST", address)
            yield Candidate(address=address, kind=kind, source=source, explicit=True)
    if kind is not EngineKind.PODMAN and (url := env.get("DOCKER_HOST")):
        tls = None
        if url.startswith("tcp:"):
            from ramalama_engines.discovery.docker_context import (  # noqa: PLC0415 (not local)
                tls_from_environment,
            )

            tls = tls_from_environment(user)
        address = of_docker(checked_address(url, "DOCKER_HOST", tls=tls))
        source = with_warning("DOCKER_HOST", address)
        yield Candidate(address=address, kind=kind, source=source, explicit=True)


def _ssh_key(user: InvokingUser) -> Path | None:
    named = user.env.get("CONTAINER_SSHKEY")
    return Path(named) if named else None


def _from_context(user: InvokingUser, kind: EngineKind | None) -> Iterator[Candidate]:
    if not user.env.get("DOCKER_CONTEXT") and not (user.docker_dir / "config.json").exists():
        return
    from ramalama_engines.discovery.docker_context import (  # noqa: PLC0415 (not everybody's)
        context_address,
        context_name,
    )

    name, source = context_name(user)
    if name in ("", "default"):  # docker's name for using the socket, without a context
        return
    source = f"docker context {name!r} ({source})"
    address = context_address(user, name, source)
    source = with_warning(source, address)
    yield Candidate(address=address, kind=kind, source=source, explicit=True)


def _is_remote(user: InvokingUser) -> bool:
    return may_be_remote(user) and read_containers_conf(user).is_remote


def _from_podman(user: InvokingUser, platform: str, *, is_remote: bool) -> Iterator[Candidate]:
    from ramalama_engines.discovery.podman_candidates import (  # noqa: PLC0415 (seldom needed)
        podman_candidates,
    )

    yield from podman_candidates(user, platform, is_remote=is_remote)
