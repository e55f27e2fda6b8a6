"""Programs that others wrote, as witnesses: what they push we read, what we push they read.

skopeo and podman are Debian's own. crane and oras are in its unstable release alone; their
packages are fetched and unpacked beside the system, once per machine, and run without it: they
need nothing but libc.
"""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.lab.registry import Registry, free_port
from tests.lab.service import LabError, program, running

if TYPE_CHECKING:
    from collections.abc import Generator

_MIRROR: Final = "http://deb.debian.org/debian"
_PODMAN_SETTINGS: Final = """\
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{directory}/state"
"""
_KEYS: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"


def run(command: list[str], *, env: dict[str, str] | None = None) -> str:
    """Run a program to its end; return what it prints, or fail with it."""
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(env or {})},
    )
    if done.returncode != 0:
        msg = f"{command!r} failed:\n{done.stdout}{done.stderr}"
        raise LabError(msg)
    return done.stdout


def skopeo(*arguments: str) -> str:
    """Run skopeo, which believes any signature."""
    return run([program("skopeo"), "--insecure-policy", *arguments])


def oras(*arguments: str, directory: Path) -> str:
    """Run oras in *directory*, since it names files by their path from there."""
    command = [str(unstable_program("oras")), *arguments]
    return run(["env", "--chdir", str(directory), *command])


def podman(directory: Path, *arguments: str) -> str:
    """Run podman with everything of its own below *directory*; it starts no container.

    *directory* must have a short path: podman wants at most 50 characters for its state.
    """
    settings = directory / "containers.conf"
    if not settings.exists():
        directory.mkdir()
        settings.write_text(_PODMAN_SETTINGS.format(directory=directory))
    storage = ["--root", f"{directory}/root", "--runroot", f"{directory}/run"]
    command = [program("podman"), *storage, "--storage-driver", "vfs", *arguments]
    return run(command, env={"HOME": str(directory), "CONTAINERS_CONF": str(settings)})


@contextmanager
def serve_crane(directory: Path) -> Generator[Registry]:
    """Run crane's registry, which is in memory and takes things less strictly."""
    registry = Registry(address=f"127.0.0.1:{free_port()}")
    directory.mkdir()
    with running(
        (str(unstable_program("crane")), "registry", "serve", "--address", registry.address),
        log=directory / "log",
        ready=registry.answers,
        env={"PATH": os.environ["PATH"]},
    ):
        yield registry


def unstable_program(name: str) -> Path:
    """Return the program *name* of the package *name* in Debian's unstable release."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = cache / "ramalama-dev/unstable" / name
    if not directory.exists():
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
            _fetch_package(name, Path(scratch), unpacked := Path(scratch, "unpacked"))
            unpacked.rename(directory)
    return directory / "usr/bin" / name


def _fetch_package(name: str, directory: Path, target: Path) -> None:
    """Unpack a package into *target*; the machine's own lists and packages stay as they are."""
    sources = directory / "sources.list"
    sources.write_text(f"deb [signed-by={_KEYS}] {debian_mirror()} unstable main\n")
    (directory / "lists/partial").mkdir(parents=True, exist_ok=True)
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": directory / "lists",
        "Dir::Cache": directory / "cache",
        "APT::Sandbox::User": "root",  # or else it asks for files as a user who may not see them
        "Acquire::Check-Valid-Until": "false",  # some mirrors are snapshots
    }
    words = [f"--option={name}={value}" for name, value in options.items()]
    apt = ["env", "--chdir", str(directory), program("apt-get"), *words]
    run([*apt, "update"])
    run([*apt, "download", name])
    (package,) = directory.glob("*.deb")
    run([program("dpkg"), "--extract", str(package), str(target)])


def debian_mirror() -> str:
    """Return the mirror that this machine's own packages come from."""
    release = f"Release: {platform.freedesktop_os_release()['VERSION_CODENAME']}"
    words = ["--format", "$(REPO_URI)", "Created-By: Packages", release]
    found = run([program("apt-get"), "indextargets", *words]).splitlines()
    return found[0] if found else _MIRROR
