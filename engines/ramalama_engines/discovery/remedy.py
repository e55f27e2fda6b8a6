"""Tell a user how to start an engine on this host: only steps that this user can take."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama_engines.discovery.known_sockets import MACOS
from ramalama_engines.discovery.podman_machine import machines
from ramalama_engines.kinds import EngineKind

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama_engines.user import InvokingUser

_PROGRAMS = {EngineKind.PODMAN: "podman", EngineKind.DOCKER: "dockerd"}
_SYSTEM_PROGRAMS = ("/usr/sbin", "/usr/local/sbin", "/sbin")  # often not in a user's PATH
_LONGEST_FILE = 16 * 1024

# What exists, below the root or the user's home, if a program that runs docker is installed.
_DOCKER_ON_MACOS = {
    "Applications/Docker.app": "open -a Docker",
    "Applications/OrbStack.app": "open -a OrbStack",
    "Applications/Rancher Desktop.app": "rdctl start",
    ".colima": "colima start",
}

_HOMEBREW = ("opt/homebrew/bin", "usr/local/bin")  # on Apple's processors, on Intel's
_PODMAN_ON_MACOS = ("opt/podman/bin", *_HOMEBREW)

# By the identifiers of os-release(5): the command that installs, and the package of docker.
_PACKAGES = {
    "debian": ("apt install", "docker.io"),
    "ubuntu": ("apt install", "docker.io"),
    "fedora": ("dnf install", "moby-engine"),
    "rhel": ("dnf install", "docker-ce"),
    "suse": ("zypper install", "docker"),
    "opensuse": ("zypper install", "docker"),
    "arch": ("pacman -S", "docker"),
    "alpine": ("apk add", "docker"),
}


def how_to_start(
    user: InvokingUser, kind: EngineKind | None, *, platform: str = sys.platform
) -> str:
    """Return the commands that start an engine of this *kind* on this host.

    None means the kind that is installed, or else podman.
    """
    if platform == MACOS:
        return _start_virtual_machine(user, kind)
    if kind is None:
        kind = next((each for each in EngineKind if _is_installed(user, each)), EngineKind.PODMAN)
    start = _start_docker(user) if kind is EngineKind.DOCKER else _start_podman(user)
    return start if _is_installed(user, kind) else f"{_install(user, kind)}; {start}"


def _start_virtual_machine(user: InvokingUser, kind: EngineKind | None) -> str:
    found = machines(user, MACOS)
    if found and kind is not EngineKind.DOCKER:
        return min(found, key=lambda each: (bool(each.problem), each.is_rootful)).mend
    if kind is not EngineKind.PODMAN:
        for path, command in _DOCKER_ON_MACOS.items():
            if (user.root / path).exists() or (user.home / path).exists():
                return command
    if kind is EngineKind.DOCKER:
        page = "https://docs.docker.com/desktop"
        return _install_on_macos(user, "--cask docker", f"install Docker Desktop from {page}")
    make = "podman machine init && podman machine start"
    if any((user.root / path / "podman").exists() for path in _PODMAN_ON_MACOS):
        return make
    install = _install_on_macos(user, "podman", "install Podman from https://podman.io")
    return f"{install}; {make}"


def _install_on_macos(user: InvokingUser, package: str, otherwise: str) -> str:
    has_homebrew = any((user.root / path / "brew").exists() for path in _HOMEBREW)
    return f"brew install {package}" if has_homebrew else otherwise


def _start_docker(user: InvokingUser) -> str:
    return _as_root(user, "systemctl enable --now docker" if _has_systemd(user) else "dockerd")


def _start_podman(user: InvokingUser) -> str:
    if _has_systemd(user):
        if user.is_root:
            return "systemctl enable --now podman.socket"
        if (user.runtime_dir / "systemd").is_dir():  # a session, without which systemctl fails
            return "systemctl --user enable --now podman.socket"
    directory = user.root / "run" if user.is_root else user.runtime_dir
    if user.is_root or os.access(directory, os.W_OK):
        return _serve_by_hand(f"{directory}")
    return f"export XDG_RUNTIME_DIR=$(mktemp -d); {_serve_by_hand('$XDG_RUNTIME_DIR')}"


def _serve_by_hand(directory: str) -> str:
    folder = f"{directory}/podman"
    return f"mkdir -p {folder} && podman system service --time=0 unix://{folder}/podman.sock &"


def _install(user: InvokingUser, kind: EngineKind) -> str:
    for name in _distribution(user.root / "etc/os-release"):
        if name in _PACKAGES:
            command, docker = _PACKAGES[name]
            package = docker if kind is EngineKind.DOCKER else "podman"
            return _as_root(user, f"{command} {package}")
    return f"install {kind} with your package manager"


def _distribution(file: Path) -> list[str]:
    """Return the identifiers of a distribution, and then of those that it resembles."""
    fields: dict[str, str] = {}
    with suppress(OSError, UnicodeDecodeError), file.open(encoding="utf-8") as stream:
        for line in stream.read(_LONGEST_FILE).splitlines():
            name, _, value = line.partition("=")
            fields[name] = value.strip("\"'")
    return [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]


def _as_root(user: InvokingUser, command: str) -> str:
    return command if user.is_root else f"sudo {command}"


def _has_systemd(user: InvokingUser) -> bool:
    return (user.root / "run/systemd/system").is_dir()  # sd_booted(3)


def _is_installed(user: InvokingUser, kind: EngineKind) -> bool:
    directories = (*user.env.get("PATH", os.defpath).split(os.pathsep), *_SYSTEM_PROGRAMS)
    return any(
        (user.root / directory.lstrip("/") / _PROGRAMS[kind]).is_file() for directory in directories
    )
