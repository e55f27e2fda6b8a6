"""Which engine is opened, and what is said when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama_engines.discovery.connection import EngineChoice, connect
from ramalama_engines.discovery.remedy import how_to_start
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from ramalama_engines.user import InvokingUser
from tests.unit.engines.unix_service import DOCKER_ANSWER, PODMAN_ANSWER, service

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PODMAN, DOCKER = EngineKind.PODMAN, EngineKind.DOCKER
CHOSE_PODMAN = EngineChoice(kind=PODMAN, source="--engine")
CHOSE_DOCKER = EngineChoice(kind=DOCKER, source="RAMALAMA_CONTAINER_ENGINE")


def make_user(root: Path, env: Mapping[str, str] | None = None, *, uid: int = 1000) -> InvokingUser:
    return InvokingUser(env=env or {}, home=root / "home/me", uid=uid, root=root)


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
