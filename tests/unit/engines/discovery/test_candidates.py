"""Where an engine is looked for, and in which order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.address import EngineAddress, TlsFiles
from ramalama_engines.discovery.candidates import candidates, expected_candidates
from ramalama_engines.discovery.locate import Candidate, EngineLocation
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from tests.unit.engines.discovery.homes import (
    LINUX,
    MACOS,
    context_at,
    listen,
    make_user,
    write,
    write_context,
)

if TYPE_CHECKING:
    from ramalama_engines.user import InvokingUser

PODMAN, DOCKER = EngineKind.PODMAN, EngineKind.DOCKER
C, D = "unix:///c.sock", "ssh://d"


def paths(user: InvokingUser, kind: EngineKind | None = None) -> list[str]:
    found = candidates(user, kind=kind, platform=LINUX)
    return [c.url.removeprefix(f"unix://{user.root}") for c in found]


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
        ({"CONTAINER_HOST": C, "DOCKER_HOST": D}, None, "CONTAINER_HOST"),
        ({"CONTAINER_HOST": "", "DOCKER_HOST": D}, None, "DOCKER_HOST"),
        ({"DOCKER_HOST": D, "DOCKER_CONTEXT": "missing"}, None, "DOCKER_HOST"),
        ({"CONTAINER_HOST": C, "DOCKER_HOST": D}, PODMAN, "CONTAINER_HOST"),
        ({"CONTAINER_HOST": C, "DOCKER_HOST": D}, DOCKER, "DOCKER_HOST"),
        ({"CONTAINER_HOST": C}, DOCKER, "known socket"),
        ({"DOCKER_HOST": D}, PODMAN, "known socket"),
        ({"DOCKER_CONTEXT": "missing"}, PODMAN, "known socket"),
        ({"DOCKER_CONTEXT": "default"}, None, "known socket"),
    ],
)
def test_a_variable_comes_before_the_sockets_and_belongs_to_its_engine(
    tmp_path: Path, env: dict[str, str], kind: EngineKind | None, source: str
) -> None:
    found = candidates(make_user(tmp_path, env), kind=kind, platform=LINUX)

    assert {each.source.partition(" of ")[0] for each in found} == {source}


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
    address = EngineAddress(url="ssh://gpu", kind=DOCKER)
    assert [*found] == [Candidate(address=address, kind=None, source=source, explicit=True)]


@pytest.mark.parametrize("config", ["{}", '{"currentContext": ""}', '{"currentContext":"default"}'])
def test_without_a_context_the_sockets_are_looked_at(tmp_path: Path, config: str) -> None:
    user = make_user(tmp_path)
    user.docker_dir.mkdir(parents=True)
    (user.docker_dir / "config.json").write_text(config)

    assert len([*candidates(user, platform=LINUX)]) == 5


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("{", r"/config.json is not valid JSON \(line 1, column 2\)"),
        ("[]", "/config.json does not hold a JSON object"),
        ('{"currentContext": 7}', "/config.json is not a name"),
        (r'{"currentContext": "\ud800"}', r"'\\ud800' \(.*\) is not possible"),
        ('{"currentContext": "../x"}', r"'../x' \(.*\) is not possible"),
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
        next(candidates(user))


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ("{", "is not valid JSON"),
        ({"Endpoints": {}}, "names no docker endpoint"),
        ({"Endpoints": []}, "names no docker endpoint"),
        (context_at(7), "names no docker endpoint"),
        (context_at(""), "names no docker endpoint"),
        (context_at("ssh://gpu", SkipTLSVerify="no"), "is not true or false"),
    ],
)
def test_a_broken_context_is_an_error_that_names_context_and_file(
    tmp_path: Path, meta: object, reason: str
) -> None:
    user = make_user(tmp_path, {"DOCKER_CONTEXT": "gpu"})
    path = write_context(user.docker_dir, "gpu", meta)

    with pytest.raises(EngineUnavailable, match=f"'gpu' .*{path} {reason}"):
        next(candidates(user))


def only(user: InvokingUser, location: EngineLocation | None = None) -> Candidate:
    (found,) = candidates(user, location=location, platform=LINUX)
    return found


def test_what_the_caller_names_comes_before_all_settings(tmp_path: Path) -> None:
    user = make_user(tmp_path, {"CONTAINER_HOST": C, "DOCKER_HOST": D})

    found = only(user, EngineLocation(source="--engine-url", url="ssh://me@gpu/x.sock"))

    assert (found.url, found.source, found.explicit) == (
        *("ssh://me@gpu/x.sock", "--engine-url", True),
    )


def test_a_key_named_by_podmans_variable_goes_with_podmans_address(tmp_path: Path) -> None:
    env = {"CONTAINER_HOST": "ssh://gpu", "CONTAINER_SSHKEY": "/keys/id"}

    assert only(make_user(tmp_path, env)).address.identity_file == Path("/keys/id")
    env = {"DOCKER_HOST": "ssh://gpu", "CONTAINER_SSHKEY": "/keys/id"}
    assert only(make_user(tmp_path, env)).address.identity_file is None


def test_an_address_of_docker_without_a_socket_means_dockers_sockets(tmp_path: Path) -> None:
    def kind_of(**env: str) -> EngineKind | None:
        return only(make_user(tmp_path, env)).address.kind

    assert kind_of(DOCKER_HOST="ssh://gpu") is DOCKER
    assert kind_of(CONTAINER_HOST="ssh://gpu") is None


@pytest.mark.parametrize(
    ("env", "verify"),
    [
        ({"DOCKER_TLS_VERIFY": "1"}, True),
        ({"DOCKER_CERT_PATH": "{root}/home/me/.docker"}, True),
        ({"DOCKER_CERT_PATH": "{root}/home/me/.docker", "DOCKER_TLS": "1"}, False),
        ({"DOCKER_TLS_VERIFY": "1", "DOCKER_TLS": "1"}, True),
    ],
)
@pytest.mark.parametrize("location", [None, EngineLocation(source="o", url="tcp://gpu:2376")])
def test_dockers_variables_name_the_files_for_tls(
    tmp_path: Path, env: dict[str, str], *, verify: bool, location: EngineLocation | None
) -> None:
    env = {name: value.format(root=tmp_path) for name, value in env.items()}
    user = make_user(tmp_path, {"DOCKER_HOST": "tcp://gpu:2376", **env})
    for name in ("ca", "cert", "key"):
        write(user.docker_dir / f"{name}.pem", "PEM")

    found = only(user, location)

    ca, cert, key = (user.docker_dir / f"{name}.pem" for name in ("ca", "cert", "key"))
    assert found.address.tls == TlsFiles(ca=ca, cert=cert, key=key, verify=verify)
    assert ("not checked" in found.source) is not verify


def test_files_for_tls_that_are_not_there_are_not_used(tmp_path: Path) -> None:
    user = make_user(tmp_path, {"DOCKER_HOST": "tcp://gpu", "DOCKER_TLS_VERIFY": "1"})

    assert only(user).address.tls == TlsFiles()


def test_a_context_brings_its_files_for_tls(tmp_path: Path) -> None:
    user = make_user(tmp_path, {"DOCKER_CONTEXT": "gpu"})
    meta = context_at("tcp://gpu:2376", SkipTLSVerify=True)
    write_context(user.docker_dir, "gpu", meta, pem=("ca", "key"))

    tls = only(user).address.tls

    assert tls is not None
    assert (tls.ca and tls.ca.read_text(), tls.cert, tls.verify) == ("PEM", None, False)


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:2375", "tcp://[::1]:2375", "tcp://localhost"])
def test_an_engine_of_this_host_may_listen_without_tls_but_is_not_called_safe(
    tmp_path: Path, url: str
) -> None:
    found = only(make_user(tmp_path, {"DOCKER_HOST": url}))

    assert found.address == EngineAddress(url=url)
    assert found.source == (
        "DOCKER_HOST; without TLS, every user of this host can control this engine"
    )


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"DOCKER_HOST": "tcp://10.0.0.7:2375"}, "everybody on the network could control"),
        ({"CONTAINER_HOST": "tcp://gpu"}, "everybody on the network could control"),
        ({"CONTAINER_HOST": "unix://x.sock"}, "unix://x.sock: the path .* not absolute"),
        ({"CONTAINER_HOST": "unix:///x\x1b[2J"}, r"unix:///x\\x1b\[2J: it contains control"),
        ({"DOCKER_HOST": "ssh://me:se/cret@gpu"}, r"says ssh://\*\*\*@gpu: "),
    ],
)
def test_an_address_that_must_not_be_used_is_one_line_with_its_variable(
    tmp_path: Path, env: dict[str, str], reason: str
) -> None:
    with pytest.raises(EngineUnavailable, match=reason) as caught:
        next(candidates(make_user(tmp_path, env)))

    message = str(caught.value)
    assert message.startswith(f"{next(iter(env))} says ")
    assert message.isprintable()
    assert "cret" not in message


def mac_paths(user: InvokingUser, kind: EngineKind | None = None) -> list[str]:
    found = candidates(user, kind=kind, platform=MACOS)
    return [c.url.removeprefix(f"unix://{user.root}") for c in found]


PRODUCTS = [
    "home/me/.local/share/containers/podman/machine/podman.sock",
    "home/me/.lima/podman/sock/podman.sock",
    "home/me/.orbstack/run/docker.sock",
    "home/me/.colima/default/docker.sock",
    "home/me/.config/colima/default/docker.sock",
    "home/me/.rd/docker.sock",
    "home/me/.lima/docker/sock/docker.sock",
    "home/me/.lima/default/sock/docker.sock",
]


def test_a_mac_without_an_engine_is_told_of_two_sockets(tmp_path: Path) -> None:
    user = make_user(tmp_path, uid=501)

    assert mac_paths(user) == ["/home/me/.docker/run/docker.sock", "/var/run/docker.sock"]
    assert mac_paths(make_user(tmp_path, uid=0)) == ["/var/run/docker.sock"]
    assert {c.start for c in candidates(user, platform=MACOS)} == {""}  # nothing is installed


def test_every_product_that_a_mac_has_is_found(tmp_path: Path) -> None:
    for path in (*PRODUCTS, "Applications/Docker.app/Contents/Info.plist"):
        write(tmp_path / path, "")
    user = make_user(tmp_path, uid=501)

    expected = [f"/{path}" for path in PRODUCTS]
    expected.insert(2, "/home/me/.docker/run/docker.sock")
    assert mac_paths(user) == [*expected, "/var/run/docker.sock"]
    assert [c.start for c in candidates(user, platform=MACOS)] == [
        *("podman machine start", "limactl start podman", "open -a Docker", "open -a OrbStack"),
        *("colima start", "colima start", "rdctl start", "limactl start docker"),
        *("limactl start default", ""),
    ]


def test_variables_move_the_homes_of_colima_and_lima(tmp_path: Path) -> None:
    env = {"COLIMA_HOME": f"{tmp_path}/c", "LIMA_HOME": f"{tmp_path}/l"}
    for path in ("c/default/docker.sock", "l/docker/sock/docker.sock"):
        write(tmp_path / path, "")

    assert mac_paths(make_user(tmp_path, env), DOCKER)[1:3] == [
        *("/c/default/docker.sock", "/l/docker/sock/docker.sock"),
    ]


def test_virtual_machines_on_linux_come_before_the_rootful_engines(tmp_path: Path) -> None:
    user = make_user(tmp_path)
    for path in ("home/me/.docker/desktop/docker.sock", "home/me/.colima/default/docker.sock"):
        with listen(tmp_path / path):
            pass

    assert paths(user)[3:5] == [
        "/home/me/.docker/desktop/docker.sock",
        "/home/me/.colima/default/docker.sock",
    ]
