"""A virtual machine in the place of `podman machine`: rootless Podman behind ssh, a shared folder.

It is Debian, emulated by QEMU without KVM, so that it also runs on a machine that is virtual
itself. Its disk is made once per machine, and never changes: what a test writes is thrown away.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.lab.foreign import debian_mirror, run
from tests.lab.service import EngineService, free_port, program, running
from tests.lab.sshd import make_key

if TYPE_CHECKING:
    from collections.abc import Generator

USER: Final = "core"
UID: Final = 501
SOCKET: Final = f"/run/user/{UID}/podman/podman.sock"
"""Where its Podman listens."""

_BOOT_TIME: Final = 300.0  # seconds; one minute, if nothing else runs
_PACKAGES: Final = (
    *("linux-image-amd64", "systemd-sysv", "udev", "kmod", "dbus", "dbus-user-session"),
    *("libpam-systemd", "openssh-server", "podman", "crun", "uidmap", "slirp4netns"),
    *("netavark", "aardvark-dns", "catatonit", "iptables", "iproute2"),
)
# The folder is at the path that it has on this host, which the kernel's command line names.
_PREPARE: Final = """\
#!/bin/sh -e
for word in $(cat /proc/cmdline); do
    case $word in shared=*) shared=${word#shared=} ;; esac
done
mkdir -p "$shared"
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 shared "$shared"
ip address add 10.0.2.15/24 dev eth0
ip link set eth0 up
"""
_SERVICE: Final = """\
[Unit]
Wants=sys-subsystem-net-devices-eth0.device
After=sys-subsystem-net-devices-eth0.device
Before=ssh.service
[Service]
Type=oneshot
ExecStart=/usr/local/bin/prepare
[Install]
RequiredBy=ssh.service
"""
_FILES: Final = {
    "etc/containers/storage.conf": '[storage]\ndriver = "overlay"\n',
    "etc/initramfs-tools/conf.d/lab": "MODULES=list\n",
    "etc/initramfs-tools/lab-modules": "virtio_pci\nvirtio_blk\next4\n",
    "etc/modules-load.d/lab.conf": "overlay\ntun\n",
    "etc/systemd/system/prepare.service": _SERVICE,
    # It would end after five seconds without a request, and takes ten to start.
    "etc/systemd/user/podman.service.d/lab.conf": (
        "[Service]\nExecStart=\nExecStart=/usr/bin/podman system service --time=0\n"
    ),
    "usr/local/bin/prepare": _PREPARE,
    f"var/lib/systemd/linger/{USER}": "",
}
# What takes long to start, and is not needed.
_MASKED: Final = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_reap"),
    *("podman-auto-update", "podman-restart", "modprobe@drm", "modprobe@efi_pstore"),
    *("modprobe@dm_mod", "modprobe@loop", "systemd-pstore"),
)
_COMMANDS: Final = (
    "chmod 755 usr/local/bin/prepare",
    "mv etc/initramfs-tools/lab-modules etc/initramfs-tools/modules",
    "chroot . update-initramfs -u",
    f"chroot . useradd --create-home --shell /bin/bash --uid {UID} {USER}",
    f"chroot . usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {USER}",
    f"mkdir home/{USER}/.ssh && mv .key home/{USER}/.ssh/authorized_keys",
    f"chroot . chown -R {USER}: /home/{USER}/.ssh",
    f"chroot . systemctl enable prepare && chroot . systemctl mask {' '.join(_MASKED)}",
    "chroot . systemctl --global enable podman.socket",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualMachine:
    """A running machine, which lets in its user with one key.

    Attributes:
        port: where its ssh service is on 127.0.0.1.
        shared: a directory that it sees at the same path.
    """

    port: int
    identity: Path
    shared: Path
    log: Path

    def run(self, script: str) -> str:
        """Run a script of the shell in it; return what it prints."""
        return run([*self._ssh(), script])

    def answers(self) -> bool:
        """Whether its Podman takes requests yet."""
        command = [*self._ssh(), f"test -S {SOCKET}"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    @contextmanager
    def forwarded(self, socket: Path, *, port: int | None = None) -> Generator[EngineService]:
        """Forward its Podman to *socket*, and perhaps a *port*, as `podman machine` does."""
        ways = ["-L", f"{socket}:{SOCKET}"]
        if port is not None:
            ways += ["-L", f"127.0.0.1:{port}:127.0.0.1:{port}"]
        log = socket.with_suffix(".log")
        service = EngineService(kind="podman", url=f"unix://{socket}", log=log)
        command = [*self._ssh(), "-N", *ways]
        with running(
            command, log=log, ready=service.answers, env={"PATH": os.environ["PATH"]}, patience=120
        ):
            yield service
        socket.unlink(missing_ok=True)

    def _ssh(self) -> list[str]:
        words = ["-F", "none", "-i", str(self.identity), "-p", str(self.port)]
        settings = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes")
        words += [word for setting in (*settings, "ConnectTimeout=60") for word in ("-o", setting)]
        return [program("ssh"), *words, f"{USER}@127.0.0.1"]


@contextmanager
def virtual_machine(directory: Path) -> Generator[VirtualMachine]:
    """Boot one, with a directory of its files and of those that it shares below *directory*."""
    made = _made()
    shared = directory / "Users"
    shared.mkdir(parents=True)
    identity = directory / "machine"
    shutil.copy(made / "identity", identity)
    identity.chmod(0o600)
    machine = VirtualMachine(
        port=free_port(), identity=identity, shared=shared, log=directory / "console.log"
    )
    env = {"PATH": os.environ["PATH"], "TMPDIR": str(directory)}
    with running(
        _qemu(made, machine),
        log=machine.log,
        ready=machine.answers,
        env=env,
        patience=_BOOT_TIME,
    ):
        yield machine


def _qemu(made: Path, machine: VirtualMachine) -> list[str]:
    kernel = f"root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off shared={machine.shared}"
    network = f"user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{machine.port}-:22"
    folder = f"local,path={machine.shared},mount_tag=shared,security_model=none,multidevs=remap"
    return [
        program("qemu-system-x86_64"),
        *("-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "3072"),
        *("-nographic", "-nodefaults", "-serial", "stdio", "-monitor", "none"),
        *("-kernel", str(made / "vmlinuz"), "-initrd", str(made / "initrd"), "-append", kernel),
        *("-drive", f"file={made / 'disk'},if=virtio,format=raw,cache=unsafe,snapshot=on"),
        *("-netdev", network, "-device", "virtio-net-pci,netdev=n"),
        *("-device", "virtio-rng-pci", "-virtfs", folder),
    ]


def _made() -> Path:
    """Return the directory of the disk, the kernel and the key; another recipe has another one."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    recipe = hashlib.sha256(repr((_PACKAGES, _FILES, _COMMANDS)).encode()).hexdigest()
    made = Path(cache) / f"ramalama-dev/machine-{recipe[:16]}"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as scratch:
            (new := Path(scratch, "new")).mkdir()
            _make(new, Path(scratch))
            new.rename(made)
    return made


def _make(made: Path, scratch: Path) -> None:
    make_key(made / "identity")
    tree, root = scratch / "tree", scratch / "root"
    public = (made / "identity.pub").read_text()
    for path, content in {**_FILES, ".key": public}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(content)
    for directory in (tree, *(path for path in tree.rglob("*") if path.is_dir())):
        directory.chmod(0o755)
    words = (
        *("--quiet", "--variant=essential", f"--include={','.join(_PACKAGES)}"),
        '--aptopt=Acquire::Check-Valid-Until "false"',  # some mirrors are snapshots
        *("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"),
        f"--customize-hook=sync-in {tree} /",
        *(f'--customize-hook=cd "$1" && {command}' for command in _COMMANDS),
    )
    source = f"deb {debian_mirror()} bookworm main"
    run([program("mmdebstrap"), *words, "bookworm", str(root), source])
    for name in ("vmlinuz", "initrd"):
        (found,) = (root / "boot").glob(f"{name}*-amd64")
        found.rename(made / name)
    run([program("mke2fs"), "-q", "-t", "ext4", "-d", str(root), str(made / "disk"), "4G"])
