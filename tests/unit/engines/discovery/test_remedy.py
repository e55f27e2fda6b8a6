"""How a user is told to start an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama_engines.discovery.remedy import how_to_start
from ramalama_engines.kinds import EngineKind
from ramalama_engines.user import InvokingUser
from tests.unit.engines.discovery.homes import make_user, write, write_machine

if TYPE_CHECKING:
    from pathlib import Path

PODMAN, DOCKER = EngineKind.PODMAN, EngineKind.DOCKER
MAKE = "podman machine init && podman machine start"
PROGRAMS = {"podman": "usr/bin/podman", "docker": "usr/sbin/dockerd"}
SESSION = "run/user/1000/systemd"
SYSTEMD = "run/systemd/system"


def by_hand(folder: str) -> str:
    return f"mkdir -p {folder} && podman system service --time=0 unix://{folder}/podman.sock &"


BY_USER = by_hand("{root}/run/user/1000/podman")
ELSEWHERE = f"export XDG_RUNTIME_DIR=$(mktemp -d); {by_hand('$XDG_RUNTIME_DIR/podman')}"


def host(root: Path, *, programs: str, directories: tuple[str, ...], system: str = "") -> None:
    for name in programs.split():
        program = root / PROGRAMS[name]
        program.parent.mkdir(parents=True, exist_ok=True)
        program.touch()
    for directory in directories:
        (root / directory).mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "etc/os-release").write_text(system)


@pytest.mark.parametrize(
    ("directories", "uid", "kind", "command"),
    [
        ((SYSTEMD, SESSION), 1000, None, "systemctl --user enable --now podman.socket"),
        ((SYSTEMD, SESSION), 1000, PODMAN, "systemctl --user enable --now podman.socket"),
        ((SYSTEMD,), 1000, PODMAN, ELSEWHERE),
        ((SYSTEMD, "run/user/1000"), 1000, PODMAN, BY_USER),
        ((SYSTEMD,), 0, None, "systemctl enable --now podman.socket"),
        ((SYSTEMD,), 1000, DOCKER, "sudo systemctl enable --now docker"),
        ((SYSTEMD,), 0, DOCKER, "systemctl enable --now docker"),
        (("run/user/1000",), 1000, None, BY_USER),
        ((), 1000, None, ELSEWHERE),
        ((), 0, PODMAN, by_hand("{root}/run/podman")),
        ((), 1000, DOCKER, "sudo dockerd"),
    ],
)
def test_the_advice_fits_the_system_and_the_engine(
    tmp_path: Path,
    directories: tuple[str, ...],
    uid: int,
    kind: EngineKind | None,
    command: str,
) -> None:
    host(tmp_path, programs="podman docker", directories=directories)
    user = InvokingUser(env={"PATH": "/bin:/usr/bin"}, home=tmp_path, uid=uid, root=tmp_path)

    assert how_to_start(user, kind, platform="linux") == command.format(root=tmp_path)


@pytest.mark.parametrize(
    ("has", "kind", "command"),
    [
        ("", None, f"install Podman from https://podman.io; {MAKE}"),
        ("brew", None, f"brew install podman; {MAKE}"),
        ("brew podman", None, MAKE),
        ("podman", PODMAN, MAKE),
        ("", DOCKER, "install Docker Desktop from https://docs.docker.com/desktop"),
        ("brew", DOCKER, "brew install --cask docker"),
        ("Applications/Docker.app", DOCKER, "open -a Docker"),
        ("machine", None, "podman machine start mine"),
        ("machine .colima", PODMAN, "podman machine start mine"),
        ("machine .colima", DOCKER, "colima start"),
        (".colima", None, "colima start"),
        (".colima podman", PODMAN, MAKE),
        ("Applications/OrbStack.app .colima", None, "open -a OrbStack"),
    ],
)
def test_the_advice_fits_a_mac(
    tmp_path: Path, has: str, kind: EngineKind | None, command: str
) -> None:
    user = make_user(tmp_path, uid=501)
    for name in has.split():
        if name == "machine":
            write_machine(user, "mine")
        elif name in ("brew", "podman"):
            write(tmp_path / "opt/homebrew/bin" / name, "")
        else:
            (user.home / name).mkdir(parents=True)

    assert how_to_start(user, kind, platform="darwin") == command


@pytest.mark.parametrize(
    ("system", "uid", "kind", "install"),
    [
        ("ID=debian\n", 1000, None, "sudo apt install podman"),
        ("ID=debian\n", 0, None, "apt install podman"),
        ('NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n', 0, DOCKER, "apt install"),
        ("ID=fedora\n", 1000, PODMAN, "sudo dnf install podman"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"', 0, PODMAN, "zypper install podman"),
        ("ID=plan9\n", 1000, DOCKER, "install docker with your package manager"),
        ("", 1000, None, "install podman with your package manager"),
    ],
)
def test_an_engine_that_is_missing_is_installed_first(
    tmp_path: Path, system: str, uid: int, kind: EngineKind | None, install: str
) -> None:
    host(tmp_path, programs="", directories=(), system=system)
    user = InvokingUser(env={}, home=tmp_path, uid=uid, root=tmp_path)

    assert how_to_start(user, kind, platform="linux").startswith(install)


def test_the_engine_that_is_installed_is_the_one_to_start(tmp_path: Path) -> None:
    host(tmp_path, programs="docker", directories=(SYSTEMD,), system="ID=debian\n")
    user = InvokingUser(env={}, home=tmp_path, uid=1000, root=tmp_path)

    assert how_to_start(user, None, platform="linux") == "sudo systemctl enable --now docker"
