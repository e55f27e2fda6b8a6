"""List the addresses where a container engine may answer, in order of preference.

1. `CONTAINER_HOST`, podman's own variable
2. `DOCKER_HOST`, docker's own variable
3. docker's context: `DOCKER_CONTEXT`, else `currentContext` in docker's config.json
4. the known sockets:

       $XDG_RUNTIME_DIR/podman/podman.sock   rootless podman
       $XDG_RUNTIME_DIR/docker.sock          rootless docker
       ~/.docker/run/docker.sock             Docker Desktop
       /run/podman/podman.sock               rootful podman
       /var/run/docker.sock                  rootful docker

If one of 1 to 3 is set, the first of them is the only candidate: the user chose it, and a model
must not run on another engine because that one is down. Sockets with less privilege come first, and
podman comes before docker: an untrusted model is safer with an ordinary user's docker than with
root's podman. For root, only the last two are listed, since the others belong to other users.

If one kind of engine is requested, the settings of the other kind are ignored: with podman,
neither docker's variables nor its files are read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from ramalama_engines.registry_auth.json_file import JsonFileError, read_object
from ramalama_values import frozen
from ramalama_values.json import is_object

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama_engines.user import InvokingUser


@frozen()
class Candidate:
    """An address where an engine may answer.

    Attributes:
        kind: the only kind of engine that is accepted there; None accepts either.
        source: where the address is set, as text for messages.
        explicit: whether the user named it; then no other address may be used instead.
    """

    url: str
    kind: EngineKind | None
    source: str
    explicit: bool


def candidates(user: InvokingUser, *, kind: EngineKind | None = None) -> tuple[Candidate, ...]:
    """List the addresses where an engine of *kind* (None: any) may answer, best first.

    Raises:
        EngineUnavailable: docker's settings name a context whose address cannot be read.
    """
    if named := _from_variable(user, kind) or _from_context(user, kind):
        return (named,)
    return tuple(
        Candidate(url=f"unix://{path}", kind=kind, source="known socket", explicit=False)
        for owner, path in _known_sockets(user)
        if kind in (None, owner)
    )


def expected_candidates(
    user: InvokingUser, *, kind: EngineKind | None = None
) -> tuple[Candidate, ...]:
    """List where `connect` will probably find its engine, judged by files, without any connection.

    The result is one address: the one that the user names, or the first known socket that exists.
    If none exists, the result is all known sockets. If docker's settings cannot be read, the result
    is empty, and `connect` reports the error.
    """
    try:
        found = candidates(user, kind=kind)
    except EngineUnavailable:
        return ()
    first = next((each for each in found if _exists(each.url)), None)
    return found if first is None else (first,)


def _exists(url: str) -> bool:
    return os.path.exists(url.removeprefix("unix://"))  # noqa: PTH110 (a Path buys nothing here)


def _known_sockets(user: InvokingUser) -> tuple[tuple[EngineKind, Path], ...]:
    rootful = (
        (EngineKind.PODMAN, user.root / "run/podman/podman.sock"),
        (EngineKind.DOCKER, user.root / "var/run/docker.sock"),
    )
    if user.is_root:
        return rootful
    return (
        (EngineKind.PODMAN, user.runtime_dir / "podman/podman.sock"),
        (EngineKind.DOCKER, user.runtime_dir / "docker.sock"),
        (EngineKind.DOCKER, user.home / ".docker/run/docker.sock"),
        *rootful,
    )


def _from_variable(user: InvokingUser, kind: EngineKind | None) -> Candidate | None:
    variables = {"CONTAINER_HOST": EngineKind.PODMAN, "DOCKER_HOST": EngineKind.DOCKER}
    for name, owner in variables.items():
        if kind in (None, owner) and (url := user.env.get(name)):
            return Candidate(url=url, kind=kind, source=name, explicit=True)
    return None


def _from_context(user: InvokingUser, kind: EngineKind | None) -> Candidate | None:
    if kind is EngineKind.PODMAN:
        return None
    name, source = _context_name(user)
    if name in ("", "default"):  # docker's name for using the socket, without a context
        return None
    source = f"docker context {name!r} ({source})"
    return Candidate(url=_context_url(user, name, source), kind=kind, source=source, explicit=True)


def _context_name(user: InvokingUser) -> tuple[str, str]:
    """Return the name of the context, "" if none is set, and where it is set."""
    if name := user.env.get("DOCKER_CONTEXT"):
        return name, "DOCKER_CONTEXT"
    config = user.docker_dir / "config.json"
    try:
        current = read_object(config).get("currentContext", "")
    except FileNotFoundError:
        return "", ""
    except JsonFileError as exc:
        raise EngineUnavailable(str(exc)) from exc
    if not isinstance(current, str):
        msg = f"currentContext in {config} is not a name"
        raise EngineUnavailable(msg)
    return current, f"currentContext in {config}"


def _context_url(user: InvokingUser, name: str, source: str) -> str:
    import hashlib  # noqa: PLC0415 (loads OpenSSL; few users have a context)

    digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
    path = user.docker_dir / "contexts/meta" / digest / "meta.json"
    try:
        value: object = read_object(path)
    except FileNotFoundError:
        msg = f"{source} does not exist: there is no {path}"
        raise EngineUnavailable(msg) from None
    except JsonFileError as exc:
        msg = f"{source}: {exc}"
        raise EngineUnavailable(msg) from exc
    for key in ("Endpoints", "docker", "Host"):
        value = value.get(key) if is_object(value) else None
    if not isinstance(value, str) or not value:
        msg = f"{source}: {path} names no docker endpoint"
        raise EngineUnavailable(msg)
    return value
