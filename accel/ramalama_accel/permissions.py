"""Find out whether the user can use a card's device nodes and driver, and what to do if not."""

from collections.abc import Callable, Collection, Iterable

from ramalama_accel.hardware import PciDevice
from ramalama_accel.host import DeviceNode, Host
from ramalama_accel.values import AcceleratorKind, Finding, Gpu

_GROUP_READ_WRITE = 0o060
_OTHERS_READ_WRITE = 0o006


def find_obstacle(
    host: Host, kind: AcceleratorKind, label: str, nodes: Iterable[str]
) -> Finding | None:
    """Return why the card called *label* cannot be used through *nodes*; None if it can."""
    for path in nodes:
        node = host.node(path)
        if node is None:
            return Finding(
                kind=kind,
                usable=False,
                message=f"{label}: its device node {path} does not exist",
                remedy="check the driver with `dmesg`; inside a container, pass the node in",
            )
        if not host.may_use(path):
            return Finding(
                kind=kind,
                usable=False,
                message=f"{label}: this user may not open {path}",
                remedy=_opening(host, path, node),
            )
    return None


def sort_out(
    gpus: Iterable[Gpu], find: Callable[[Gpu], Finding | None]
) -> tuple[tuple[Gpu, ...], tuple[Finding, ...]]:
    """Divide *gpus* into the usable ones and the findings of *find* about the rest."""
    usable: list[Gpu] = []
    findings: list[Finding] = []
    for gpu in gpus:
        obstacle = find(gpu)
        if obstacle:
            findings.append(obstacle)
        else:
            usable.append(gpu)
    return tuple(usable), tuple(findings)


def find_driver_obstacle(
    kind: AcceleratorKind, label: str, card: PciDevice, drivers: Collection[str], remedy: str
) -> Finding | None:
    """Return why *card* is not driven by one of *drivers*; None if it is."""
    if card.driver in drivers:
        return None
    if card.driver is None:
        message = f"{label}: it has no kernel driver"
    elif card.driver == "vfio-pci":
        message = f"{label}: it is reserved for virtual machines (vfio-pci)"
        remedy = f"bind it to its driver {' or '.join(sorted(drivers))}"
    else:
        message = f"{label}: its driver is {card.driver}, which cannot be used for computing"
    return Finding(kind=kind, usable=False, message=message, remedy=remedy)


def groups_for(host: Host, nodes: Iterable[str]) -> tuple[int, ...]:
    """Return the groups that a process needs to open *nodes*, where the mode excludes others."""
    found = {path: host.node(path) for path in nodes}
    return tuple(sorted({node.gid for node in found.values() if node and _by_group(node)}))


def _by_group(node: DeviceNode) -> bool:
    return node.mode & _OTHERS_READ_WRITE != _OTHERS_READ_WRITE and (
        node.mode & _GROUP_READ_WRITE == _GROUP_READ_WRITE
    )


def _opening(host: Host, path: str, node: DeviceNode) -> str:
    if _by_group(node) and node.gid != 0:
        group = host.group_name(node.gid)
        return f"join its group: `sudo usermod -aG {group} $USER`, then log in again"
    return f"add a udev rule that lets one of your groups read and write {path}"
