"""Find the engine's socket on a host, and say why it is not reached."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final

import asyncssh

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama_engines.ssh.asking import AskLater
    from ramalama_engines.ssh.link import Link

_ROOT_PODMAN: Final = "/run/podman/podman.sock"
_ROOT_DOCKER: Final = "/var/run/docker.sock"


async def usual_sockets(link: Link, ask: AskLater, kind: EngineKind | None) -> Sequence[str]:
    """Return where an engine of the user may listen: those of *kind* first, else Podman's."""
    uid = await _uid(link, ask)
    podman, docker = [_ROOT_PODMAN], [_ROOT_DOCKER]
    if uid:
        podman.insert(0, f"/run/user/{uid}/podman/podman.sock")
        docker.append(f"/run/user/{uid}/docker.sock")
    return [*docker, *podman] if kind is EngineKind.DOCKER else [*podman, *docker]


async def not_reached(link: Link, path: str, ask: AskLater) -> EngineUnavailable:
    """Return the error for a socket that the host's ssh service does not lead to.

    The service does not say why, so the socket is looked at, if the user may.
    """
    name, shown = link.target.name, one_line(path)
    uid = await _uid(link, ask)
    found = await _look_at(link, path, ask)
    if found is None:
        return _nothing_listens(f"nothing listens at {shown} on {name}", path, uid)
    mode, owner, group = found
    if not stat.S_ISSOCK(mode):
        return EngineUnavailable(f"{shown} on {name} is not a socket")
    if uid and uid != owner and not await _may_write(link, mode, group, ask):
        hint = "use the user's own engine, or join the socket's group there, and log in again"
        return EngineUnavailable(f"{shown} on {name}: permission denied", hint=hint)
    msg = (
        f"nothing listens at {shown} on {name}, or its ssh service forwards no sockets"
        " (AllowStreamLocalForwarding in its sshd_config)"
    )
    return _nothing_listens(msg, path, uid)


def none_found(name: str, paths: Sequence[str]) -> EngineUnavailable:
    """Return the error for a host where no engine listens in the usual places."""
    msg = f"no engine listens on {name}; these sockets were tried: {', '.join(paths)}"
    return _nothing_listens(msg, paths[0], None)


def _nothing_listens(msg: str, path: str, uid: int | None) -> EngineUnavailable:
    if "docker" in path:
        return EngineUnavailable(msg, hint="start it there with: systemctl start docker")
    if uid == 0 or path == _ROOT_PODMAN:
        return EngineUnavailable(msg, hint="start it there: systemctl enable --now podman.socket")
    hint = "start it there: systemctl --user enable --now podman.socket; loginctl enable-linger"
    return EngineUnavailable(msg, hint=hint)


async def _uid(link: Link, ask: AskLater) -> int | None:
    """Return the user's number on the host, by the owner of the home directory."""
    if (sftp := await link.sftp(ask)) is not None:
        try:
            return (await sftp.stat(".")).uid
        except (OSError, asyncssh.Error):
            return None
    answer = await link.run("id -u", ask)
    return int(answer) if answer.isdecimal() else None


async def _may_write(link: Link, mode: int, group: int | None, ask: AskLater) -> bool:
    """Return whether a user who does not own a file may write it; True if that is not known."""
    if mode & stat.S_IWOTH:
        return True
    if not mode & stat.S_IWGRP:
        return False
    groups = (await link.run("id -G", ask)).split()
    return not groups or str(group) in groups


async def _look_at(
    link: Link, path: str, ask: AskLater
) -> tuple[int, int | None, int | None] | None:
    """Return mode, owner and group of a file; None if there is none, or nothing is known."""
    if (sftp := await link.sftp(ask)) is None:
        return (stat.S_IFSOCK | stat.S_IWOTH, None, None)
    try:
        found = await sftp.stat(path)
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
        return None
    except (OSError, asyncssh.Error):
        return (stat.S_IFSOCK, -1, -1)
    return (found.permissions or stat.S_IFSOCK, found.uid, found.gid)
