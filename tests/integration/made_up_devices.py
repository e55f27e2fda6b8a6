"""Device nodes and CDI specifications of this host that stand for a card, and go with the run."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ramalama_accel import DeviceNode, Host
from tests.lab.scratch import undo_at_the_end

if TYPE_CHECKING:
    from collections.abc import Generator

CDI_NAME: Final = "ramalama.test/gpu=0"
CDI_VARIABLE: Final = ("GGML_MADE_UP_CARD", "zero")

# The null device: whoever may open it finds that it opens, and nothing comes of it.
_NUMBER: Final = os.makedev(1, 3)
_CDI: Final = Path("/var/run/cdi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A device node that a group may open, and nobody else."""

    path: str
    gid: int


@contextmanager
def made_up_card(lab: Path, name: str, *, gid: int) -> Generator[Card]:
    """Make the node /dev/*name*, which group *gid* may read and write."""
    path = Path("/dev", name)
    is_new = not path.parent.exists()
    if is_new:
        path.parent.mkdir()
        undo_at_the_end(lab, "rmdir", "--ignore-fail-on-non-empty", str(path.parent))
    undo_at_the_end(lab, "rm", "--force", str(path))
    os.mknod(path, 0o660 | stat.S_IFCHR, _NUMBER)
    os.chown(path, 0, gid)
    path.chmod(0o660)
    try:
        yield Card(path=str(path), gid=gid)
    finally:
        path.unlink()
        if is_new:
            path.parent.rmdir()


def let_use(card: Card, uid: int) -> None:
    """Add user *uid* to the node's access control list; the kernel's format, acl(5)."""
    nobody, everything = 0xFFFFFFFF, 6
    entries = (
        (0x01, everything, nobody),  # the owner
        (0x02, everything, uid),
        (0x04, 0, nobody),  # the group
        (0x10, everything, nobody),  # the mask
        (0x20, 0, nobody),  # others
    )
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(card.path, "system.posix_acl_access", acl)


@contextmanager
def cdi_specification(lab: Path, text: str) -> Generator[Path]:
    """Give the host a CDI specification, in JSON or in YAML."""
    path = _CDI / f"{lab.name}{'.json' if text.startswith('{') else '.yaml'}"
    undo_at_the_end(lab, "rm", "--force", str(path))
    is_new = not _CDI.exists()
    _CDI.mkdir(exist_ok=True)
    path.write_text(text)
    try:
        yield path
    finally:
        path.unlink()
        if is_new:
            shutil.rmtree(_CDI)


def specify(card: str) -> str:
    """Write a CDI specification that offers *card* as `CDI_NAME`."""
    kind, _, name = CDI_NAME.partition("=")
    edits = {"deviceNodes": [{"path": card}], "env": ["=".join(CDI_VARIABLE)]}
    device = {"name": name, "containerEdits": edits}
    return json.dumps({"cdiVersion": "0.5.0", "kind": kind, "devices": [device]})


def host_with(card: Card, root: Path) -> Host:
    """Make up a host below *root* on which *card*, a render node, is one of amdgpu's."""
    name = Path(card.path).name
    device = root / "sys/devices/platform/amdgpu"
    (device / "drm" / name).mkdir(parents=True)
    (device / "driver").symlink_to("../../../bus/platform/drivers/amdgpu")
    (device / "drm" / name / "device").symlink_to("../../../amdgpu")
    drm = root / "sys/class/drm"
    drm.mkdir(parents=True)
    (drm / name).symlink_to(f"../../devices/platform/amdgpu/drm/{name}")
    node = root / card.path.lstrip("/")
    node.parent.mkdir(parents=True)
    node.touch()
    return Host(root=root, nodes={card.path: DeviceNode(mode=0o660, uid=0, gid=card.gid)})
