"""Where to look for a container engine, and in which order.

1. `CONTAINER_HOST`, podman's own variable
2. `DOCKER_HOST`, docker's own variable
3. docker's context: `DOCKER_CONTEXT`, else `currentContext` in docker's config.json
4. the known sockets:

       $XDG_RUNTIME_DIR/podman/podman.sock   rootless podman
       $XDG_RUNTIME_DIR/docker.sock          rootless docker
       ~/.docker/run/docker.sock             Docker Desktop
       /run/podman/podman.sock               rootful podman
       /var/run/docker.sock                  rootful docker

The first of 1 to 3 that is set is the only candidate: the user chose it, and a model must not
run on another engine because that one is down. The sockets go by privilege first and by engine
second: a strange model is better run by an ordinary user's docker than by root's podman. Root
looks at the last two only, since the others are the services of other users.

A wanted kind of engine leaves out what belongs to the other one: with podman wanted, neither
docker's variables nor its files are looked at.
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
        kind: the only kind that is welcome there; None welcomes either.
        source: what named the address, in words for messages.
        explicit: the user named it, so that nothing else may be used in its place.
    """

    url: str
    kind: EngineKind | None
    source: str
    explicit: bool


def candidates(user: InvokingUser, *, kind: EngineKind | None = None) -> tuple[Candidate, ...]:
    """List where an engine may answer, best first; of the wanted *kind*, or of any.

    Raises:
        EngineUnavailable: docker's settings name a context, and its address cannot be read.
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
    """List where `connect` would find its engine, as far as files tell: nobody is asked.

    That is one address: what the user names, or the first known socket that is there; all of them
    where none is. Of docker's settings that cannot be read, whoever connects hears.
    """
    try:
        found = candidates(user, kind=kind)
    except EngineUnavailable:
        return ()
    first = next((each for each in found if _is_there(each.url)), None)
    return found if first is None else (first,)


def _is_there(url: str) -> bool:
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
    if name in ("", "default"):  # docker's word for "no context, the socket"
        return None
    source = f"docker context {name!r} ({source})"
    return Candidate(url=_context_url(user, name, source), kind=kind, source=source, explicit=True)


def _context_name(user: InvokingUser) -> tuple[str, str]:
    """Return which context is set, "" for none, and what set it."""
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
    import hashlib  # noqa: PLC0415 (loads OpenSSL, and few users have a context)

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
