"""Which engine answers at an address, and why none does."""

from __future__ import annotations

import grp
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.address import EngineAddress
from ramalama_engines.discovery.connection import open_route
from ramalama_engines.discovery.identify import identify
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from ramalama_engines.rest.unix_route import UnixRoute
from tests.unit.engines.unix_service import DOCKER_ANSWER, PODMAN_ANSWER, service

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama_engines.route import Route

PODMAN, DOCKER = EngineKind.PODMAN, EngineKind.DOCKER
NOBODY = 65534
A_GROUP = 1  # of which neither root nor nobody is a member


def route(url: str) -> Route:
    return open_route(EngineAddress(url=url))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (PODMAN_ANSWER, PODMAN),
        (DOCKER_ANSWER, DOCKER),
        ("200 OK\r\nServer: nginx\r\nApi-Version: 1.51", DOCKER),
        ("200 OK\r\nlibpod-api-version: 4.3.1", PODMAN),
    ],
)
def test_an_engine_is_known_by_the_headers_of_its_answer(
    tmp_path: Path, answer: str, kind: EngineKind
) -> None:
    with service(tmp_path / "An odd %2F näme?#.sock", answer) as url:
        assert identify(route(url)) is kind


@pytest.mark.parametrize(
    "answer", ["200 OK\r\nServer: nginx", "302 Found\r\nLocation: http://127.0.0.1:9/", "rubbish"]
)
def test_what_is_no_engine_is_not_taken_for_one(tmp_path: Path, answer: str) -> None:
    with (
        service(tmp_path / "x.sock", answer) as url,
        pytest.raises(EngineUnavailable, match=r"not a container engine|Connection aborted"),
    ):
        identify(route(url))


def test_proxy_variables_do_not_stand_between_us_and_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("all_proxy", "http_proxy", "http+unix_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    with service(tmp_path / "x.sock", DOCKER_ANSWER) as url:
        assert identify(route(url)) is DOCKER


IDENTIFY = """\
import sys
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.discovery.identify import identify
from ramalama_engines.rest.unix_route import UnixRoute

try:
    print(identify(UnixRoute(sys.argv[1].removeprefix("unix://"))))
except EngineUnavailable as exc:
    print(exc)
print(*sys.modules)
"""


def identify_alone(url: str) -> tuple[str, set[str]]:
    """Return what a process of its own finds at *url*, and what it has imported for that."""
    done = subprocess.run(
        [sys.executable, "-c", IDENTIFY, url], check=True, capture_output=True, text=True
    )
    found, _, modules = done.stdout.partition("\n")
    return found, set(modules.split())


@pytest.mark.parametrize(("answer", "kind"), [(PODMAN_ANSWER, "podman"), (DOCKER_ANSWER, "docker")])
def test_an_engine_is_identified_without_either_sdk(tmp_path: Path, answer: str, kind: str) -> None:
    with service(tmp_path / "x.sock", answer) as url:
        found, modules = identify_alone(url)

    assert found == kind
    assert "requests_unixsocket" in modules
    assert modules.isdisjoint({"podman", "docker"})


def test_where_nothing_listens_no_http_library_is_imported(tmp_path: Path) -> None:
    found, modules = identify_alone(f"unix://{tmp_path}/x.sock")

    assert found == "it does not exist"
    assert modules.isdisjoint({"requests", "requests_unixsocket", "urllib3", "podman", "docker"})


def test_a_service_that_hangs_is_given_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "x.sock"))
        listener.listen()

        with pytest.raises(EngineUnavailable, match=r"no answer within 0\.01 seconds"):
            identify(UnixRoute(f"{tmp_path}/x.sock"), timeout=0.01)


def test_a_socket_without_a_listener_differs_from_a_missing_one(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "stale.sock"))

    with pytest.raises(EngineUnavailable, match=r"^no process listens there$"):
        identify(UnixRoute(f"{tmp_path}/stale.sock"))
    with pytest.raises(EngineUnavailable, match=r"^it does not exist$"):
        identify(UnixRoute(f"{tmp_path}/absent.sock"))
    with pytest.raises(EngineUnavailable, match=r"^it does not exist$"):
        identify(UnixRoute(f"{tmp_path}/stale.sock/below"))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("tcp://me:secret@gpu:2376", "has a user or a password"),
        ("npipe:////./pipe/docker_engine", "npipe:// is not supported"),
        ("/run/podman/podman.sock", "does not begin with unix:"),
        ("unix:/run/podman/podman.sock", "does not begin with unix:"),
        ("bogus://x", "does not begin with unix:"),
        ("", "does not begin with unix:"),
        ("unix://", "'' is not an absolute path"),
        ("unix://run/x.sock", "'run/x.sock' is not an absolute path"),
        ("unix:///run/x\n.sock", r"'/run/x\\n.sock' is not an absolute path"),
        ("unix:///run/x\0.sock", r"'/run/x\\x00.sock' is not an absolute path"),
        (f"unix:///{'x' * 300}", "AF_UNIX path too long"),
    ],
)
def test_an_address_that_we_do_not_reach_is_refused_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(EngineUnavailable, match=reason):
        identify(route(url))


@contextmanager
def forbidden_socket(mode: int) -> Generator[str]:
    """Yield the URL of a service whose socket has *mode*, to a process that may not use it."""
    with tempfile.TemporaryDirectory() as folder, service(Path(folder, "x.sock"), "") as url:
        Path(folder).chmod(0o755)
        Path(folder, "x.sock").chmod(mode)
        if os.geteuid() != 0:  # its owner is judged by the owner's bits, which *mode* has not
            yield url
            return
        os.chown(Path(folder, "x.sock"), -1, A_GROUP)
        os.seteuid(NOBODY)
        try:
            yield url
        finally:
            os.seteuid(0)


def test_a_refused_user_is_told_the_group_that_may_use_the_socket() -> None:
    with forbidden_socket(0o020) as url, pytest.raises(EngineUnavailable) as caught:
        identify(route(url))

    group = grp.getgrgid(A_GROUP if os.geteuid() == 0 else os.getegid()).gr_name
    assert str(caught.value) == (
        f'permission denied; join its group with: sudo usermod -aG {group} "$USER", '
        "then log in again"
    )


def test_a_refused_user_of_a_private_socket_is_told_no_group() -> None:
    with (
        forbidden_socket(0o000) as url,
        pytest.raises(EngineUnavailable, match=r"^permission denied$"),
    ):
        identify(route(url))
