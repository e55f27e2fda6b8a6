"""Give probes access to the host: to files below a root and an environment, and to nothing else.

No file is trusted: reads are bounded and never block, listings are bounded, and a symbolic link
that leads out of a test root counts as missing. Files that cannot be read count as missing.
"""

import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from itertools import islice
from pathlib import Path

from ramalama_values import frozen
from ramalama_values.text import printable

_READ_LIMIT = 64 * 1024
_LIST_LIMIT = 4096
_READ_WRITE = 0o6
_REAL = Path("/")


@frozen()
class DeviceNode:
    """The permissions of a device node: *mode* holds its permission bits, as in chmod(2)."""

    mode: int
    uid: int
    gid: int


@frozen()
class DeviceUser:
    """The user whose access counts: a user ID and all its groups."""

    uid: int
    gids: frozenset[int]

    def may_use(self, node: DeviceNode) -> bool:
        """Return whether the mode allows open(2) for reading and writing."""
        if self.uid == 0:
            return True
        if self.uid == node.uid:
            bits = node.mode >> 6
        elif node.gid in self.gids:
            bits = node.mode >> 3
        else:
            bits = node.mode
        return bits & _READ_WRITE == _READ_WRITE


def _this_machine() -> str:
    return os.uname().machine


@frozen()
class Host:
    """One host: the real one, or one made of files in a directory.

    Attributes:
        env: the user's environment.
        machine: the processor architecture, as uname(2) names it.
        user: whose access to device nodes counts; None is this process. The kernel is asked then,
            which also knows access control lists. If the engine opens the nodes as root, pass
            ``DeviceUser(uid=0, …)``.
        nodes: permissions of simulated device nodes (plain files below *root*) by path; None means
            that the file system's own permissions count.
        oci_runtimes: OCI runtimes that the engine has registered and that may be used.
    """

    root: Path = _REAL
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    machine: str = field(default_factory=_this_machine)
    user: DeviceUser | None = None
    nodes: Mapping[str, DeviceNode] | None = None
    oci_runtimes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Resolved once, so that `_locate` can check whether a path lies below it.
        object.__setattr__(self, "root", self.root.resolve())

    def read(self, path: str, *, limit: int = _READ_LIMIT) -> str | None:
        """Return the text of a regular file, at most *limit* bytes of it; None if unreadable."""
        place = self._locate(path)
        if place is None:
            return None
        with suppress(OSError):
            # O_NONBLOCK: opening a FIFO in place of a file must not block.
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 (a descriptor)
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return _read_up_to(file.read, limit).decode(errors="replace")
        return None

    def value(self, path: str) -> str | None:
        """Return a file's text, stripped and `printable`; None if it is empty or unreadable."""
        return printable((self.read(path, limit=4096) or "").strip()) or None

    def number(self, path: str) -> int | None:
        """Return the number that a file holds; None if it holds anything else, or 2⁶⁴ or more."""
        text = self.value(path) or ""
        valid = text.isascii() and text.isdigit() and len(text) <= 20  # noqa: PLR2004 (64 bits)
        return int(text) if valid and int(text) < 1 << 64 else None

    def names(self, directory: str) -> tuple[str, ...]:
        """Return the sorted names in *directory*; none if it cannot be listed."""
        place = self._locate(directory)
        if place is None:
            return ()
        with suppress(OSError), os.scandir(place) as entries:
            return tuple(sorted(entry.name for entry in islice(entries, _LIST_LIMIT)))
        return ()

    def numbers(self, directory: str, prefix: str = "") -> tuple[int, ...]:
        """Return the numbers n of all names ``<prefix>n`` in *directory*, in ascending order."""
        tails = [n.removeprefix(prefix) for n in self.names(directory) if n.startswith(prefix)]
        return tuple(sorted({int(tail) for tail in tails if tail.isascii() and tail.isdigit()}))

    def exists(self, path: str) -> bool:
        """Return whether *path* exists, of any type."""
        place = self._locate(path)
        with suppress(OSError):
            return place is not None and place.exists()
        return False

    def link_name(self, path: str) -> str | None:
        """Return the last part of a symbolic link's target; None if *path* is not such a link."""
        directory, _, name = path.rpartition("/")
        place = self._locate(directory)
        if place is None:
            return None
        with suppress(OSError):
            return (place / name).readlink().name or None
        return None

    def node(self, path: str) -> DeviceNode | None:
        """Return the permissions of the character device at *path*; None if there is none."""
        if self.nodes is not None:
            return self.nodes.get(path)
        with suppress(OSError, ValueError):
            status = (self.root / path.lstrip("/")).stat()
            if stat.S_ISCHR(status.st_mode):
                mode = stat.S_IMODE(status.st_mode)
                return DeviceNode(mode=mode, uid=status.st_uid, gid=status.st_gid)
        return None

    def may_use(self, path: str) -> bool:
        """Return whether the user may read and write the device node at *path*."""
        node = self.node(path)
        if node is None:
            return False
        if self.user is None:
            return os.access(self.root / path.lstrip("/"), os.R_OK | os.W_OK)
        return self.user.may_use(node)

    def group_name(self, gid: int) -> str:
        """Return the name of group *gid*, or the number as text if /etc/group does not have it."""
        for line in (self.read("/etc/group") or "").splitlines():
            name, _, rest = line.partition(":")
            if rest.split(":")[1:2] == [str(gid)]:
                return printable(name)
        return str(gid)

    def _locate(self, path: str) -> Path | None:
        if "\0" in path:
            return None
        place = self.root / path.lstrip("/")
        if self.root == _REAL or _REAL.joinpath(os.path.realpath(place)).is_relative_to(self.root):
            return place
        return None


def _read_up_to(read: Callable[[int], bytes | None], limit: int) -> bytes:
    """Call *read* until the end or *limit*: procfs returns a file in pieces."""
    text = b""
    while len(text) < limit and (piece := read(limit - len(text))):
        text += piece
    return text
