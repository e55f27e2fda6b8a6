"""Read what a container has printed about the accelerators of its host, and trust none of it.

The output is made of lines. The last one is ``end``: so output that was cut off is recognized.

    machine NAME             the processor architecture, as uname(2) names it
    v PATH VALUE             a file of one line
    f PATH                   a file, whose content follows in base64, up to a line with a dot
    l PATH TARGET            a symbolic link; only the last part of its target counts
    e PATH                   a directory
    c MODE UID GID PATH      a character device
    o PATH                   a character device that the container's process may open
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import field
from itertools import islice
from typing import TYPE_CHECKING

from ramalama_accel.host import DeviceNode
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LARGEST_FILE = 1024 * 1024 + 1  # a CDI specification of this size is refused for its size
LARGEST_OUTPUT = 8 << 20

_MOST_LINES = 50_000
_MOST_ENTRIES = 4096
_LONGEST_PATH = 512
_PLACES = ("/sys/", "/proc/", "/dev/", "/etc/cdi/", "/var/run/cdi/")
_LINKS_AT = "/sys/"
_NAME = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9_.:@+,=~#-]{1,128}"
_PATH = rf"(?:/{_NAME}){{1,16}}"
_MACHINE = r"[a-z0-9_]{1,32}"
_NODE = r"([0-7]{1,4}) ([0-9]{1,10}) ([0-9]{1,10}) (\S+)"
_END = "end"
_FILE_END = "."


@frozen()
class HostListing:
    """The files of a host that tell of its accelerators, by path.

    No path has an entry of another one as a parent, unless that is a directory; so they all can be
    made in a directory, and lie in it.

    Attributes:
        machine: the processor architecture; "" if unknown.
        files: the contents.
        links: the last parts of the targets of symbolic links.
        directories: paths; that the parents of other entries are directories is not repeated.
        nodes: the character devices, with the IDs of users that the container saw.
        openable: those that the container's process may open.
    """

    machine: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    links: Mapping[str, str] = field(default_factory=dict[str, str])
    directories: frozenset[str] = frozenset()
    nodes: Mapping[str, DeviceNode] = field(default_factory=dict[str, DeviceNode])
    openable: frozenset[str] = frozenset()


def read_listing(lines: Iterable[str]) -> HostListing:
    """Read the output of a container.

    An entry whose path is odd, outside of the places that count, or in the way of another one is
    passed over: a host may have such files.

    Raises:
        ValueError: the output is too large, is cut off, or has another form.
    """
    reader = _Reader()
    bounded = _bounded(lines)
    for line in bounded:
        if line == _END:
            return reader.listing()
        kind, _, rest = line.partition(" ")
        if kind == "f":
            reader.add_file(rest, _content(bounded))
        else:
            reader.add(kind, rest)
    msg = "its output was cut off"
    raise ValueError(msg)


def is_plain(path: str) -> bool:
    """Return whether *path* is absolute, of ordinary characters, and without "." and ".."."""
    return len(path) <= _LONGEST_PATH and re.fullmatch(_PATH, path) is not None


def _bounded(lines: Iterable[str]) -> Iterator[str]:
    size = 0
    for line in islice(lines, _MOST_LINES):
        size += len(line) + 1
        if size > LARGEST_OUTPUT:
            break
        yield line.rstrip("\r")


def _content(lines: Iterator[str]) -> bytes:
    text = "".join(iter(lambda: next(lines, _FILE_END), _FILE_END))
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        msg = "its output has a file that is not in base64"
        raise ValueError(msg) from exc


class _Reader:
    def __init__(self) -> None:
        self._machine = ""
        self._files: dict[str, bytes] = {}
        self._links: dict[str, str] = {}
        self._nodes: dict[str, DeviceNode] = {}
        self._openable: set[str] = set()
        self._leaves: set[str] = set()
        self._directories: set[str] = set()

    def listing(self) -> HostListing:
        return HostListing(
            machine=self._machine,
            files=self._files,
            links=self._links,
            directories=frozenset(self._directories),
            nodes=self._nodes,
            openable=frozenset(self._openable & self._nodes.keys()),
        )

    def add_file(self, path: str, content: bytes) -> None:
        if len(content) <= LARGEST_FILE and self._may_add(path):
            self._files[path] = content

    def add(self, kind: str, rest: str) -> None:
        path, _, value = rest.partition(" ")
        match kind:
            case "machine" if re.fullmatch(_MACHINE, rest):
                self._machine = rest
            case "v":
                self.add_file(path, f"{value}\n".encode(errors="replace"))
            case "l":
                target = value.rpartition("/")[2]
                is_name = re.fullmatch(_NAME, target) is not None
                if path.startswith(_LINKS_AT) and is_name and self._may_add(path):
                    self._links[path] = target
            case "e":
                self._add_directory(path)
            case "c" if node := re.fullmatch(_NODE, rest):
                self._add_node(node)
            case "o":
                self._openable.add(path)
            case _:
                msg = "its output is not understood"
                raise ValueError(msg)

    def _add_node(self, words: re.Match[str]) -> None:
        path = words[4]
        if path.startswith("/dev/") and self._may_add(path):
            self._nodes[path] = DeviceNode(
                mode=int(words[1], base=8), uid=int(words[2]), gid=int(words[3])
            )

    def _may_add(self, path: str) -> bool:
        """Return whether *path* can be made, and reserve it; its parents become directories."""
        if path in self._directories or not self._is_free(path):
            return False
        self._leaves.add(path)
        self._directories.update(_parents(path))
        return True

    def _add_directory(self, path: str) -> None:
        if self._is_free(path):
            self._directories.update((path, *_parents(path)))

    def _is_free(self, path: str) -> bool:
        if len(self._leaves) + len(self._directories) > _MOST_ENTRIES:
            return False
        if not (path.startswith(_PLACES) and is_plain(path)):
            return False
        return self._leaves.isdisjoint((path, *_parents(path)))


def _parents(path: str) -> Iterator[str]:
    """Yield the directories above *path*, without the root."""
    while path := path.rpartition("/")[0]:
        yield path
