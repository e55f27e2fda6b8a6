"""The engines of newer Debian releases, unpacked into a directory and run on this kernel.

Each suite takes 450 MB and a minute, once per machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from tests.lab.foreign import debian_mirror, run
from tests.lab.service import program

ROOT_VARIABLE: Final = "RAMALAMA_TEST_ENGINES"
"""Names the directory; without it, the engines of this machine are used."""

_PACKAGES: Final = (
    *("podman", "netavark", "aardvark-dns", "docker.io", "crun", "runc", "catatonit"),
    *("passt", "slirp4netns", "uidmap", "iptables", "nftables", "iproute2", "ca-certificates"),
)
# Its own are the programs; all else, from devices to users, is this machine's.
_ENTER: Final = """\
set -e
mount -t tmpfs tmpfs /mnt && mkdir /mnt/root && mount --bind "$1" /mnt/root && cd /mnt/root && shift
for each in dev proc sys run tmp var/tmp home root; do
    mkdir -p "$each" && mount --rbind "/$each" "$each"
done
for each in passwd group subuid subgid; do mount --bind "/etc/$each" "etc/$each"; done
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mkdir -p .before && pivot_root . .before && umount -l /.before && mount --make-rshared / && cd /
exec "$@"
"""


def entering() -> tuple[str, ...]:
    """Return the words before a command that make it run where the engines are."""
    root = os.environ.get(ROOT_VARIABLE)
    if root is None:
        return ()
    apart = (program("unshare"), "--mount", "--propagation", "private")
    return (*apart, program("sh"), "-c", _ENTER, "sh", root)


def engines_of(suite: str) -> Path:
    """Return the directory with the engines of Debian's *suite*; it is made at the first time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "ramalama-dev")
    root = cache / f"engines-{suite}"
    if not root.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f"{root.name}-", dir=cache))
        try:
            _unpack(suite, part)
            part.chmod(0o755)
            part.rename(root)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return root


def _unpack(suite: str, root: Path) -> None:
    words = (
        *("--quiet", "--variant=essential", f"--include={','.join(_PACKAGES)}"),
        '--aptopt=Acquire::Check-Valid-Until "false"',  # some mirrors are snapshots
        *("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"),
    )
    source = f"deb {debian_mirror()} {suite} main"
    run([program("mmdebstrap"), *words, suite, str(root), source])
