"""Where an engine is looked for, and in which order."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.discovery.candidates import Candidate, candidates, expected_candidates
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from ramalama_engines.user import InvokingUser

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PODMAN, DOCKER = EngineKind.PODMAN, EngineKind.DOCKER


def make_user(root: Path, env: Mapping[str, str] | None = None, *, uid: int = 1000) -> InvokingUser:
    return InvokingUser(env=env or {}, home=root / "home/me", uid=uid, root=root)


def write_context(docker_dir: Path, name: str, meta: object) -> Path:
    path = docker_dir / "contexts/meta" / sha256(name.encode()).hexdigest() / "meta.json"
    path.parent.mkdir(parents=True)
    path.write_text(meta if isinstance(meta, str) else json.dumps(meta))
    return path


def context_at(url: object) -> object:
    return {"Name": "x", "Metadata": {}, "Endpoints": {"docker": {"Host": url}}}


def paths(user: InvokingUser, kind: EngineKind | None = None) -> list[str]:
    return [c.url.removeprefix(f"unix://{user.root}") for c in candidates(user, kind=kind)]


def test_an_ordinary_user_looks_at_rootless_sockets_before_rootful_and_podman_before_docker(
    tmp_path: Path,
) -> None:
    assert paths(make_user(tmp_path)) == [
        "/run/user/1000/podman/podman.sock",
        "/run/user/1000/docker.sock",
        "/home/me/.docker/run/docker.sock",
        "/run/podman/podman.sock",
        "/var/run/docker.sock",
    ]


def presumed_paths(user: InvokingUser, kind: EngineKind | None = None) -> list[str]:
    return [c.url.removeprefix(f"unix://{user.root}") for c in expected_candidates(user, kind=kind)]


def test_the_first_known_socket_that_is_there_is_presumed(tmp_path: Path) -> None:
    user = make_user(tmp_path)
    none_there = presumed_paths(user)
    for path in ("var/run/docker.sock", "run/user/1000/docker.sock"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()

    assert none_there == paths(user)
    assert presumed_paths(user) == ["/run/user/1000/docker.sock"]
    assert presumed_paths(user, PODMAN) == paths(user, PODMAN)


def test_an_engine_that_the_user_names_is_presumed_whether_it_is_there_or_not(
    tmp_path: Path,
) -> None:
    user = make_user(tmp_path, {"CONTAINER_HOST": "unix:///away.sock"})

    assert [each.url for each in expected_candidates(user)] == ["unix:///away.sock"]


def test_nothing_is_presumed_of_settings_that_make_no_sense(tmp_path: Path) -> None:
    assert expected_candidates(make_user(tmp_path, {"DOCKER_CONTEXT": "gone"})) == ()


def test_xdg_runtime_dir_moves_the_rootless_sockets(tmp_path: Path) -> None:
    user = make_user(tmp_path, {"XDG_RUNTIME_DIR": f"{tmp_path}/xdg"})

    assert paths(user)[:2] == ["/xdg/podman/podman.sock", "/xdg/docker.sock"]


def test_root_looks_at_the_rootful_sockets_only(tmp_path: Path) -> None:
    user = make_user(tmp_path, {"XDG_RUNTIME_DIR": "/run/user/1000"}, uid=0)

    assert paths(user) == ["/run/podman/podman.sock", "/var/run/docker.sock"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (PODMAN, ["/run/user/1000/podman/podman.sock", "/run/podman/podman.sock"]),
        (
            DOCKER,
            [
                "/run/user/1000/docker.sock",
                "/home/me/.docker/run/docker.sock",
                "/var/run/docker.sock",
            ],
        ),
    ],
)
def test_a_chosen_kind_leaves_its_own_sockets(
    tmp_path: Path, kind: EngineKind, expected: list[str]
) -> None:
    assert paths(make_user(tmp_path), kind) == expected


@pytest.mark.parametrize(
    ("env", "kind", "source"),
    [
        ({"CONTAINER_HOST": "c", "DOCKER_HOST": "d"}, None, "CONTAINER_HOST"),
        ({"CONTAINER_HOST": "", "DOCKER_HOST": "d"}, None, "DOCKER_HOST"),
        ({"DOCKER_HOST": "d", "DOCKER_CONTEXT": "missing"}, None, "DOCKER_HOST"),
        ({"CONTAINER_HOST": "c", "DOCKER_HOST": "d"}, PODMAN, "CONTAINER_HOST"),
        ({"CONTAINER_HOST": "c", "DOCKER_HOST": "d"}, DOCKER, "DOCKER_HOST"),
        ({"CONTAINER_HOST": "c"}, DOCKER, "known socket"),
        ({"DOCKER_HOST": "d"}, PODMAN, "known socket"),
        ({"DOCKER_CONTEXT": "missing"}, PODMAN, "known socket"),
        ({"DOCKER_CONTEXT": "default"}, None, "known socket"),
    ],
)
def test_a_variable_comes_before_the_sockets_and_belongs_to_its_engine(
    tmp_path: Path, env: dict[str, str], kind: EngineKind | None, source: str
) -> None:
    assert {c.source for c in candidates(make_user(tmp_path, env), kind=kind)} == {source}


@pytest.mark.parametrize(
    ("current", "env", "told_by"),
    [
        ("gpu", {}, "currentContext in {docker}/config.json"),
        ("other", {"DOCKER_CONTEXT": "gpu"}, "DOCKER_CONTEXT"),
        ("gpu", {"DOCKER_CONTEXT": ""}, "currentContext in {docker}/config.json"),
    ],
)
@pytest.mark.parametrize("docker_dir", ["home/me/.docker", "elsewhere"])
def test_the_docker_context_is_the_only_candidate(
    tmp_path: Path, current: str, env: dict[str, str], told_by: str, docker_dir: str
) -> None:
    folder = tmp_path / docker_dir
    write_context(folder, "gpu", context_at("ssh://gpu"))
    (folder / "config.json").write_text(json.dumps({"currentContext": current}))
    moved = {"DOCKER_CONFIG": str(folder)} if docker_dir == "elsewhere" else {}

    found = candidates(make_user(tmp_path, env | moved))

    source = f"docker context 'gpu' ({told_by.format(docker=folder)})"
    assert found == (Candidate(url="ssh://gpu", kind=None, source=source, explicit=True),)


@pytest.mark.parametrize("config", ["{}", '{"currentContext": ""}', '{"currentContext":"default"}'])
def test_without_a_context_the_sockets_are_looked_at(tmp_path: Path, config: str) -> None:
    user = make_user(tmp_path)
    user.docker_dir.mkdir(parents=True)
    (user.docker_dir / "config.json").write_text(config)

    assert len(candidates(user)) == 5


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("{", r"/config.json is not valid JSON \(line 1, column 2\)"),
        ("[]", "/config.json does not hold a JSON object"),
        ('{"currentContext": 7}', "/config.json is not a name"),
        ('{"currentContext": "gpu"}', r"'gpu' \(.*\) does not exist: there is no .*/meta.json"),
    ],
)
def test_broken_docker_settings_are_an_error_that_names_the_file(
    tmp_path: Path, config: str, reason: str
) -> None:
    user = make_user(tmp_path)
    user.docker_dir.mkdir(parents=True)
    (user.docker_dir / "config.json").write_text(config)

    with pytest.raises(EngineUnavailable, match=reason):
        candidates(user)


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ("{", "is not valid JSON"),
        ({"Endpoints": {}}, "names no docker endpoint"),
        ({"Endpoints": []}, "names no docker endpoint"),
        (context_at(7), "names no docker endpoint"),
        (context_at(""), "names no docker endpoint"),
    ],
)
def test_a_broken_context_is_an_error_that_names_context_and_file(
    tmp_path: Path, meta: object, reason: str
) -> None:
    user = make_user(tmp_path, {"DOCKER_CONTEXT": "gpu"})
    path = write_context(user.docker_dir, "gpu", meta)

    with pytest.raises(EngineUnavailable, match=f"'gpu' .*: {path} {reason}"):
        candidates(user)
