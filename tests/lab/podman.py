"""Podman services: rootful, and rootless on either OCI runtime."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.lab import firewall
from tests.lab.newer_engines import entering
from tests.lab.scratch import undo_at_the_end
from tests.lab.service import EngineService, program, running

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from tests.lab.account import Account
    from tests.lab.network import Network

# What makes Podman work the same with systemd and without, on any cgroup version, and where the
# kernel lets not even root raise a limit.
_SETTINGS: Final = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "{runtime}"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{directory}/state"
[network]
network_config_dir = "{directory}/networks"
"""

# A rootless service gets a mount namespace of its own, shared with the ones that it makes itself.
# Its networks need the tunnel device, which udev would have opened to everybody.
_OPEN_TUN: Final = (
    "mount -t tmpfs -o mode=755 tmpfs {directory}/tun"
    " && mknod --mode=666 {directory}/tun/tun c 10 200"
    " && mount --bind {directory}/tun/tun /dev/net/tun"
)
# crun refuses a machine that mixes cgroup versions.
_ONLY_CGROUP_2: Final = (
    "umount --recursive --lazy /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup"
)


@contextmanager
def rootful_podman(directory: Path, *, network: Network, ca_file: Path) -> Generator[EngineService]:
    """Run a rootful service with everything of its own below *directory*."""
    directory.mkdir()
    # Podman does both itself, unless it is killed with a container on the network.
    undo_at_the_end(directory.parent, sys.executable, firewall.__file__, network.subnet)
    undo_at_the_end(directory.parent, program("ip"), "link", "delete", network.bridge)
    _write_settings(directory, runtime="runc")
    (directory / "networks/podman.json").write_text(_default_network(network))
    service = EngineService(
        kind="podman", url=f"unix://{directory}/podman.sock", log=directory / "log"
    )
    env = _environment(directory, home=directory, ca_file=ca_file)
    command = (*entering(), *_command(directory, service))
    with running(command, log=service.log, ready=service.answers, env=env):
        yield service


@contextmanager
def rootless_podman(
    directory: Path, account: Account, *, runtime: str, ca_file: Path
) -> Generator[EngineService]:
    """Run a service as *account*, with everything of its own below *directory*."""
    directory.mkdir()
    _write_settings(directory, runtime=runtime)
    for path in (directory, *directory.rglob("*")):
        os.chown(path, account.uid, account.gid)
    service = EngineService(
        kind="podman",
        url=f"unix://{directory}/podman.sock",
        log=directory / "log",
        account=account,
    )
    # A lock file of Podman's that has the user's number in its name; all its services share it.
    lock = Path("/dev/shm", f"libpod_rootless_lock_{account.uid}")  # noqa: S108 (Podman's choice)
    undo_at_the_end(directory.parent, "rm", "--force", str(lock))
    with running(
        _in_namespace(directory, account, runtime, _command(directory, service)),
        log=service.log,
        ready=service.answers,
        env=_environment(directory, home=account.home, ca_file=ca_file),
    ):
        yield service


def _in_namespace(
    directory: Path, account: Account, runtime: str, command: Sequence[str]
) -> Sequence[str]:
    """Prepare a mount namespace as root, and run *command* in it as *account*."""
    steps = [_OPEN_TUN.format(directory=directory)]
    if runtime == "crun" and not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        steps.append(_ONLY_CGROUP_2)
    script = " && ".join([*steps, "mount --make-rshared /", 'exec "$@"'])
    become = (program("setpriv"), f"--reuid={account.uid}", f"--regid={account.gid}")
    prepare = (program("unshare"), "--mount", program("sh"), "-c", script, "sh")
    return (*prepare, *entering(), *become, "--init-groups", *command)


def _command(directory: Path, service: EngineService) -> tuple[str, ...]:
    storage = ("--root", f"{directory}/storage", "--runroot", f"{directory}/run")
    return (program("podman"), *storage, "system", "service", "--time=0", service.url)


def _write_settings(directory: Path, *, runtime: str) -> None:
    for name in ("state", "spool", "networks", "xdg", "tun"):
        (directory / name).mkdir(mode=0o700)
    settings = _SETTINGS.format(runtime=program(runtime), directory=directory)
    (directory / "containers.conf").write_text(settings)


def _environment(directory: Path, *, home: Path, ca_file: Path) -> Mapping[str, str]:
    """Give it settings and trust of its own; the caller's registries' passwords stay out."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        # A rootless service joins the namespaces of whichever one it finds in this directory.
        "XDG_RUNTIME_DIR": f"{directory}/xdg",
        "CONTAINERS_CONF": f"{directory}/containers.conf",
        # Where Podman keeps, and forgets, the archives that it is sent.
        "TMPDIR": f"{directory}/spool",
        "SSL_CERT_FILE": str(ca_file),
    }


def _default_network(network: Network) -> str:
    """Describe the network that containers get by default, lest it be the machine's own."""
    return json.dumps(
        {
            "name": "podman",
            "id": f"{os.getpid():064x}",
            "driver": "bridge",
            "network_interface": network.bridge,
            "created": "2026-01-01T00:00:00Z",
            "subnets": [{"subnet": network.subnet, "gateway": network.gateway}],
            "ipv6_enabled": False,
            "internal": False,
            "dns_enabled": False,
            "ipam_options": {"driver": "host-local"},
        }
    )
