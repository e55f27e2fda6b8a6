"""List the sockets where engines of this host listen unless they are told otherwise.

On Linux:

    $XDG_RUNTIME_DIR/podman/podman.sock   rootless podman
    ~/.lima/podman/sock/podman.sock       Lima, its template for podman; $LIMA_HOME *
    $XDG_RUNTIME_DIR/docker.sock          rootless docker
    ~/.docker/run/docker.sock             Docker Desktop
    ~/.docker/desktop/docker.sock         Docker Desktop on Linux *
    the virtual machines below *
    /run/podman/podman.sock               rootful podman
    /var/run/docker.sock                  rootful docker

On macOS:

    ~/.local/share/containers/podman/machine/podman.sock   a link to podman machine's *
    ~/.lima/podman/sock/podman.sock       as above *
    ~/.docker/run/docker.sock             Docker Desktop
    the virtual machines below *
    /var/run/docker.sock                  a link to the engine that has been there first

Virtual machines with docker:

    ~/.orbstack/run/docker.sock           OrbStack
    ~/.colima/default/docker.sock         colima; $COLIMA_HOME, ~/.config/colima
    ~/.rd/docker.sock                     Rancher Desktop
    ~/.lima/docker/sock/docker.sock       Lima, its templates for docker; $LIMA_HOME
    ~/.lima/default/sock/docker.sock

Those with a * are listed only if they exist, so that a message does not list products that this
user does not have. The others tell what the user could start. Sockets with less privilege come
first, and podman comes before docker: an untrusted model is safer with an ordinary user's docker
than with root's podman. For root, only the last of each list are used, since the others belong to
other users.

Sources: podman pkg/machine/shim/networking_unix.go; docker's manual (Docker Desktop, "FAQ");
colima docs/FAQ.md; Lima templates/docker.yaml and podman.yaml; OrbStack and Rancher Desktop set
docker contexts with these paths.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama_engines.kinds import EngineKind
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramalama_engines.user import InvokingUser

MACOS = "darwin"
PODMAN, DOCKER = EngineKind.PODMAN, EngineKind.DOCKER


@frozen()
class KnownSocket:
    """The socket of an engine of *kind*.

    *program* is the program that runs the engine, and *start* the command that starts it; "" if the
    operating system's services do.
    """

    kind: EngineKind
    path: Path
    program: str = ""
    start: str = ""


def known_sockets(user: InvokingUser, platform: str) -> Iterator[KnownSocket]:
    """Yield the known sockets, best first."""
    rootful_docker = KnownSocket(kind=DOCKER, path=user.root / "var/run/docker.sock")
    if platform == MACOS:
        if not user.is_root:
            yield from _existing(_of_podman_machine(user), _lima(user, PODMAN, "podman"))
            is_installed = (user.root / "Applications/Docker.app").exists()
            yield _docker_desktop(user, "run", "open -a Docker" if is_installed else "")
            yield from _existing(*_of_virtual_machines(user))
        yield rootful_docker
        return
    if not user.is_root:
        yield KnownSocket(kind=PODMAN, path=user.runtime_dir / "podman/podman.sock")
        yield from _existing(_lima(user, PODMAN, "podman"))
        yield KnownSocket(kind=DOCKER, path=user.runtime_dir / "docker.sock")
        yield _docker_desktop(user, "run", "")
        start = "systemctl --user start docker-desktop"
        yield from _existing(_docker_desktop(user, "desktop", start), *_of_virtual_machines(user))
    yield KnownSocket(kind=PODMAN, path=user.root / "run/podman/podman.sock")
    yield rootful_docker


def _existing(*sockets: KnownSocket) -> Iterator[KnownSocket]:
    return (each for each in sockets if os.path.exists(each.path))  # noqa: PTH110 (fast)


def _docker_desktop(user: InvokingUser, directory: str, start: str) -> KnownSocket:
    path = user.home / ".docker" / directory / "docker.sock"
    return KnownSocket(kind=DOCKER, path=path, program="Docker Desktop", start=start)


def _of_podman_machine(user: InvokingUser) -> KnownSocket:
    named = user.env.get("XDG_DATA_HOME")
    data = Path(named) if named else user.home / ".local/share"
    path = data / "containers/podman/machine/podman.sock"
    start = "podman machine start"
    return KnownSocket(kind=PODMAN, path=path, program="podman machine", start=start)


def _of_virtual_machines(user: InvokingUser) -> Iterator[KnownSocket]:
    yield KnownSocket(
        kind=DOCKER,
        path=user.home / ".orbstack/run/docker.sock",
        program="OrbStack",
        start="open -a OrbStack",
    )
    named = user.env.get("COLIMA_HOME")
    for colima in (Path(named),) if named else (user.home / ".colima", user.config_dir / "colima"):
        path = colima / "default/docker.sock"
        yield KnownSocket(kind=DOCKER, path=path, program="colima", start="colima start")
    yield KnownSocket(
        kind=DOCKER,
        path=user.home / ".rd/docker.sock",
        program="Rancher Desktop",
        start="rdctl start",
    )
    yield _lima(user, DOCKER, "docker")
    yield _lima(user, DOCKER, "default")


def _lima(user: InvokingUser, kind: EngineKind, name: str) -> KnownSocket:
    home = Path(user.env.get("LIMA_HOME") or user.home / ".lima")
    path = home / name / "sock" / f"{kind}.sock"
    return KnownSocket(kind=kind, path=path, program="Lima", start=f"limactl start {name}")
