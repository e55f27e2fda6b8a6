"""Made-up hosts: one readable TOML file each, in hosts/, made into a directory tree for a test.

Keys of a file: ``about`` and ``source`` for people; ``like`` names a file to start from; ``lspci``
is text as lspci(8) `-nnk` prints it; ``dev`` as ls(1) `-l` prints device nodes; ``[drm]`` says
which PCI address, or which driver outside PCI, owns a render node; ``[[kfd]]`` GPUs of AMD's
compute driver; ``[files]`` and ``exists`` any other files; ``[host]`` the user, the machine and
the engine's OCI runtimes; ``[env]`` the environment; ``[expect]`` what must be detected.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ramalama_accel import DeviceNode, DeviceUser, Host

HOSTS = Path(__file__).with_name("hosts")
NAMES = sorted(path.stem for path in HOSTS.glob("*.toml"))
# Those that are not another one in different circumstances.
ORIGINALS = [name for name in NAMES if "\nlike = " not in (HOSTS / f"{name}.toml").read_text()]

_GROUP_IDS = {"root": 0, "video": 44, "render": 110, "HwHiAiUser": 1000}
_PCI_LINE = re.compile(
    r"(?:(?P<domain>[0-9a-f]{4}):)?(?P<slot>[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) "
    r"[^\[]*\[(?P<class>[0-9a-f]{4})\]: .*\[(?P<vendor>[0-9a-f]{4}):(?P<device>[0-9a-f]{4})\]"
)
_DRIVER_LINE = re.compile(r"\s+Kernel driver in use: (\S+)")
_NODE_LINE = re.compile(r"c([r-][w-][x-]){3}\+? +\d+ +\S+ +(?P<group>\S+) .* (?P<path>/dev/\S+)")

Table = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUpHost:
    """A tree on disk, and what must be detected on it."""

    host: Host
    source: str
    expect: Table


def make(name: str, root: Path) -> MadeUpHost:
    """Make the host of hosts/*name*.toml below *root*, an empty directory."""
    table = read(name)
    _write_pci(root, table.get("lspci", ""))
    _write_drm(root, table.get("drm", {}))
    for gpu in table.get("kfd", []):
        _write_kfd(root, gpu)
    nodes = _write_dev(root, table.get("dev", ""))
    for path, text in table.get("files", {}).items():
        _write(root, path, text)
    for path in table.get("exists", []):
        _write(root, path, "")
    groups = "".join(f"{name}:x:{gid}:\n" for name, gid in _GROUP_IDS.items())
    _write(root, "/etc/group", groups)
    return MadeUpHost(
        host=_host(root, table, nodes), source=str(table["source"]), expect=table["expect"]
    )


def read(name: str) -> Table:
    """Return what the file of the host says, with what it starts from."""
    table = tomllib.loads((HOSTS / f"{name}.toml").read_text())
    return {**read(table["like"]), **table} if "like" in table else table


def _host(root: Path, table: Table, nodes: dict[str, DeviceNode]) -> Host:
    said = table.get("host", {})
    gids = frozenset(_GROUP_IDS[group] for group in said.get("groups", []))
    return Host(
        root=root,
        env=table.get("env", {}),
        machine=said.get("machine", "x86_64"),
        user=DeviceUser(uid=said.get("uid", 1000), gids=gids),
        nodes=nodes,
        oci_runtimes=tuple(said.get("oci_runtimes", [])),
    )


def _write_pci(root: Path, lspci: str) -> None:
    place = ""
    for line in lspci.splitlines():
        match = _PCI_LINE.match(line)
        driver = _DRIVER_LINE.match(line)
        if match:
            address = f"{match['domain'] or '0000'}:{match['slot']}"
            place = f"/sys/devices/pci0000:00/{address}"
            _write(root, f"{place}/class", f"0x{match['class']}00\n")
            _write(root, f"{place}/vendor", f"0x{match['vendor']}\n")
            _write(root, f"{place}/device", f"0x{match['device']}\n")
            link = f"../../../devices/pci0000:00/{address}"
            _link(root, f"/sys/bus/pci/devices/{address}", link)
        elif driver:
            _link(root, f"{place}/driver", f"../../../bus/pci/drivers/{driver[1]}")


def _write_drm(root: Path, owners: dict[str, str]) -> None:
    for node, owner in owners.items():
        if owner.startswith("0000:"):
            device = f"devices/pci0000:00/{owner}"
        else:
            device = f"devices/platform/{owner}"
            _link(root, f"/sys/{device}/driver", f"../../../bus/platform/drivers/{owner}")
        (root / "sys" / device / "drm" / node).mkdir(parents=True)
        _link(root, f"/sys/{device}/drm/{node}/device", f"../../../{owner}")
        _link(root, f"/sys/class/drm/{node}", f"../../{device}/drm/{node}")


def _write_kfd(root: Path, gpu: Table) -> None:
    place = f"/sys/class/kfd/kfd/topology/nodes/{gpu['node']}"
    _write(root, f"{place}/properties", gpu["properties"])
    if "memory" in gpu:
        text = f"heap_type 1\nsize_in_bytes {gpu['memory']}\nflags 0\nwidth 384\n"
        _write(root, f"{place}/mem_banks/0/properties", text)


def _write_dev(root: Path, listing: str) -> dict[str, DeviceNode]:
    nodes: dict[str, DeviceNode] = {}
    for line in listing.splitlines():
        match = _NODE_LINE.fullmatch(line)
        assert match, f"not a line of ls -l: {line!r}"
        _write(root, match["path"], "")
        mode = int("".join("0" if letter == "-" else "1" for letter in line[1:10]), base=2)
        nodes[match["path"]] = DeviceNode(mode=mode, uid=0, gid=_GROUP_IDS[match["group"]])
    return nodes


def _write(root: Path, path: str, text: str) -> None:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def _link(root: Path, path: str, target: str) -> None:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
