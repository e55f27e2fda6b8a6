"""The socket of an engine on a host that ssh leads to."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from ramalama_engines.kinds import EngineKind
from ramalama_engines.ssh.asking import do_not_ask
from ramalama_engines.ssh.find_socket import not_reached, usual_sockets
from ramalama_engines.ssh.target import SshTarget

if TYPE_CHECKING:
    from ramalama_engines.ssh.link import Link

PODMAN = ["/run/user/7/podman/podman.sock", "/run/podman/podman.sock"]
DOCKER = ["/var/run/docker.sock", "/run/user/7/docker.sock"]


class _Host:
    """A host on which the user 7 is in the *groups*, and whose sockets belong to the group 9."""

    target = SshTarget(host="gpu")

    def __init__(self, groups: str = "") -> None:
        self._groups = groups

    async def sftp(self, _ask: object) -> _Host:
        return self

    async def stat(self, path: str) -> SimpleNamespace:
        return SimpleNamespace(permissions=0o140660, uid=7 if path == "." else 0, gid=9)

    async def run(self, command: str, _ask: object) -> str:
        assert command == "id -G"
        return self._groups


def _link(groups: str = "") -> Link:
    return cast("Link", _Host(groups))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (None, [*PODMAN, *DOCKER]),
        (EngineKind.PODMAN, [*PODMAN, *DOCKER]),
        (EngineKind.DOCKER, [*DOCKER, *PODMAN]),
    ],
)
def test_the_sockets_of_the_wanted_engine_come_first(
    kind: EngineKind | None, expected: list[str]
) -> None:
    assert asyncio.run(usual_sockets(_link(), do_not_ask, kind)) == expected


@pytest.mark.parametrize(
    ("groups", "reason"),
    [("7 8", "permission denied; "), ("7 9", "nothing listens at "), ("", "nothing listens at ")],
)
def test_a_socket_of_a_group_is_denied_to_users_who_are_not_in_it(groups: str, reason: str) -> None:
    failure = asyncio.run(not_reached(_link(groups), "/var/run/docker.sock", do_not_ask))

    assert reason in str(failure)
