"""Which engine is opened, and what is said when there is none."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.address import EngineAddress
from ramalama_engines.discovery.connection import Attempt, EngineChoice, connect, open_route
from ramalama_engines.discovery.locate import EngineLocation
from ramalama_engines.discovery.remedy import how_to_start
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from tests.unit.engines.discovery.homes import (
    MACHINE,
    machine_connections,
    make_user,
    write,
    write_connections,
    write_machine,
)
from tests.unit.engines.unix_service import DOCKER_ANSWER, PODMAN_ANSWER, service

if TYPE_CHECKING:
    from pathlib import Path

PODMAN, DOCKER = EngineKind.PODMAN, EngineKind.DOCKER
CHOSE_PODMAN = EngineChoice(kind=PODMAN, source="--engine")
CHOSE_DOCKER = EngineChoice(kind=DOCKER, source="RAMALAMA_CONTAINER_ENGINE")


def test_the_first_socket_that_answers_is_opened_and_the_reason_is_kept(tmp_path: Path) -> None:
    user = make_user(tmp_path)
    with (
        service(user.runtime_dir / "docker.sock", DOCKER_ANSWER) as url,
        service(tmp_path / "run/podman/podman.sock", PODMAN_ANSWER),
        connect(user).engine as engine,
    ):
        assert (engine.kind, engine.url) == (DOCKER, url)


@pytest.mark.parametrize("choice", [None, CHOSE_DOCKER])
def test_a_docker_host_that_points_at_podman_is_podman_unless_docker_was_chosen(
    tmp_path: Path, choice: EngineChoice | None
) -> None:
    with service(tmp_path / "x.sock", PODMAN_ANSWER) as url:
        user = make_user(tmp_path, {"DOCKER_HOST": url})
        if choice:
            with pytest.raises(EngineUnavailable) as caught:
                connect(user, choice=choice)
            assert str(caught.value) == (
                f"DOCKER_HOST says {url}: podman answers there, "
                "but RAMALAMA_CONTAINER_ENGINE requests docker"
            )
            return
        connection = connect(user)
        with connection.engine as engine:
            assert (engine.kind, engine.url) == (PODMAN, url)
        assert connection.candidate.source == "DOCKER_HOST"


def test_an_error_names_the_setting_without_the_warning_that_belongs_to_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    with pytest.raises(EngineUnavailable) as caught:
        connect(make_user(tmp_path, {"DOCKER_HOST": f"tcp://127.0.0.1:{port}"}))

    assert str(caught.value).startswith(f"DOCKER_HOST says tcp://127.0.0.1:{port}: ")


def test_a_named_engine_that_is_down_is_never_replaced_by_another(tmp_path: Path) -> None:
    with service(tmp_path / "run/podman/podman.sock", PODMAN_ANSWER):
        user = make_user(tmp_path, {"DOCKER_HOST": f"unix://{tmp_path}/absent.sock"})

        with pytest.raises(EngineUnavailable) as caught:
            connect(user)

    assert str(caught.value) == f"DOCKER_HOST says unix://{tmp_path}/absent.sock: it does not exist"


def test_a_known_socket_of_the_other_kind_is_passed_over(tmp_path: Path) -> None:
    """podman-docker puts a link to podman's socket where docker's is expected."""
    with service(tmp_path / "var/run/docker.sock", PODMAN_ANSWER):
        with pytest.raises(
            EngineUnavailable, match=r"podman answers there, but .* requests docker"
        ):
            connect(make_user(tmp_path), choice=CHOSE_DOCKER)
        with connect(make_user(tmp_path)).engine as engine:
            assert engine.kind is PODMAN


def test_no_engine_is_one_message_with_every_socket_and_a_way_to_start_one(tmp_path: Path) -> None:
    user = make_user(tmp_path, {"XDG_RUNTIME_DIR": f"{tmp_path}/xdg"})
    (tmp_path / "xdg").mkdir()

    with pytest.raises(EngineUnavailable) as caught:
        connect(user, choice=CHOSE_PODMAN)

    assert str(caught.value).splitlines() == [
        "no podman answers, but --engine requests it; tried these addresses:",
        f"  unix://{tmp_path}/xdg/podman/podman.sock: it does not exist",
        f"  unix://{tmp_path}/run/podman/podman.sock: it does not exist",
        f"Start one with: {how_to_start(user, PODMAN)}",
    ]


def test_a_password_in_an_address_is_not_in_the_message(tmp_path: Path) -> None:
    user = make_user(tmp_path, {"CONTAINER_HOST": "ssh://me:secret@gpu"})

    with pytest.raises(EngineUnavailable, match=r"^CONTAINER_HOST says ssh://\*\*\*@gpu: it must"):
        connect(user)


def test_where_the_caller_says_is_looked_alone(tmp_path: Path) -> None:
    with service(tmp_path / "x.sock", DOCKER_ANSWER) as url:
        user = make_user(tmp_path, {"CONTAINER_HOST": "unix:///absent.sock"})
        location = EngineLocation(source="--engine-url", url=url)
        connection = connect(user, location=location)
        connection.engine.close()
        assert (connection.engine.url, connection.candidate.source) == (url, "--engine-url")
        with pytest.raises(EngineUnavailable, match=rf"^--engine-url says {url}: docker answers"):
            connect(user, location=location, choice=CHOSE_PODMAN)


def test_each_attempt_is_told_in_its_order(tmp_path: Path) -> None:
    user = make_user(tmp_path)
    attempts: list[Attempt] = []
    with service(user.runtime_dir / "docker.sock", DOCKER_ANSWER) as url:
        connect(user, on_attempt=attempts.append).engine.close()

    assert [(each.candidate.url, each.failure) for each in attempts] == [
        (f"unix://{tmp_path}/run/user/1000/podman/podman.sock", "it does not exist"),
        (url, ""),
    ]


def test_docker_behind_a_connection_of_podman_is_not_used(tmp_path: Path) -> None:
    user = make_user(tmp_path, {"CONTAINER_CONNECTION": "vm"})
    with service(tmp_path / "x.sock", DOCKER_ANSWER) as url:
        write_connections(user, {"vm": {"URI": url}})

        with pytest.raises(EngineUnavailable, match=r"docker answers there, but .* of podman"):
            connect(user)


def refused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_machine_that_is_stopped_is_one_line_with_the_command_that_starts_it(
    tmp_path: Path,
) -> None:
    user = make_user(tmp_path, {"CONTAINER_CONNECTION": MACHINE})
    port = refused_port()
    connections = machine_connections(port=port)
    write_connections(user, connections)
    ssh = {"IdentityPath": "/k", "Port": port, "RemoteUsername": "core"}
    write_machine(user, SSH=ssh)

    with pytest.raises(EngineUnavailable) as caught:
        connect(user)

    assert str(caught.value) == (
        f"podman connection {MACHINE!r} (CONTAINER_CONNECTION) says "
        f"ssh://core@127.0.0.1:{port}/run/user/501/podman/podman.sock: "
        "this virtual machine does not run; start it with: podman machine start"
    )


def test_settings_of_podman_that_are_broken_do_not_hide_what_was_tried(tmp_path: Path) -> None:
    user = make_user(tmp_path)
    file = write(user.config_dir / "containers/podman-connections.json", "{")

    with pytest.raises(EngineUnavailable) as caught:
        connect(user)

    message = str(caught.value)
    assert f"  unix://{tmp_path}/var/run/docker.sock: it does not exist" in message
    assert f"\n  {file} is not valid JSON (line 1, column 2)\n" in message


def test_podmans_connection_to_another_host_is_mentioned_but_not_used(tmp_path: Path) -> None:
    user = make_user(tmp_path)
    write_connections(user, {"gpu": {"URI": "ssh://gpu.invalid/x.sock"}}, default="gpu")

    with pytest.raises(EngineUnavailable, match=r"only with --remote; .*: --connection gpu\nStart"):
        connect(user)


def test_ssh_and_tls_are_imported_for_their_addresses_alone(tmp_path: Path) -> None:
    routes = {url: open_route(EngineAddress(url=url)) for url in ("ssh://gpu", "tcp://127.0.0.1")}

    assert [route.url for route in routes.values()] == [*routes]
    for route in routes.values():
        route.close()
    assert loaded_by_a_local_search(tmp_path).isdisjoint(
        {"asyncssh", "tomllib", "ramalama_engines.ssh", "ramalama_engines.rest.tls"}
    )


LOCAL = """\
import sys
from pathlib import Path
from ramalama_engines.discovery.candidates import expected_candidates
from ramalama_engines.discovery.connection import connect
from ramalama_engines.user import InvokingUser

home = Path(sys.argv[1])
user = InvokingUser(env={}, home=home, uid=1000, root=home)
expected_candidates(user)
connect(user).engine.close()
print(*sys.modules)
"""


def loaded_by_a_local_search(root: Path) -> set[str]:
    (root / "etc/containers").mkdir(parents=True)
    (root / "etc/containers/containers.conf").write_text("[engine]\n# remote = false\n")
    with service(root / "run/user/1000/podman/podman.sock", PODMAN_ANSWER):
        done = subprocess.run(
            [sys.executable, "-c", LOCAL, str(root)], check=True, capture_output=True, text=True
        )
    modules = set(done.stdout.split())
    ours = {name for name in modules if name.startswith("ramalama_engines.discovery.")}
    assert ours == {
        f"ramalama_engines.discovery.{name}"
        for name in (
            *("candidates", "connection", "containers_conf", "identify", "known_sockets"),
            *("lazy_imports", "locate"),
        )
    }
    return modules


@pytest.mark.parametrize("name", ["podman", "docker"])
def test_an_engine_is_chosen_by_name(name: str) -> None:
    assert EngineChoice.parse(name, source="--engine").kind == name


@pytest.mark.parametrize("name", ["", "Podman", "nerdctl", "podman\n"])
def test_an_engine_of_another_name_is_refused_with_who_asked(name: str) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        EngineChoice.parse(name, source="RAMALAMA_CONTAINER_ENGINE")

    assert str(caught.value) == (
        f"RAMALAMA_CONTAINER_ENGINE requests the engine {name!r}, which must be podman or docker"
    )
