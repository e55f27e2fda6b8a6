"""List the accelerators on the PCI bus, and the DRM render nodes, as the kernel reports them.

Sources: Documentation/ABI/testing/sysfs-bus-pci (`vendor`, `device`, `class`, `driver`) and
Documentation/gpu/drm-uapi.rst (render nodes) of the Linux kernel.
"""

from collections.abc import Collection

from ramalama_accel.host import Host
from ramalama_accel.values import Memory, MemorySource
from ramalama_values import frozen
from ramalama_values.text import printable

_PCI = "/sys/bus/pci/devices"
_DRM = "/sys/class/drm"
_CLASSES = ("0x03", "0x12")  # display controllers; processing accelerators


@frozen()
class PciDevice:
    """An accelerator on the PCI bus; *driver* is None if no driver is bound."""

    address: str
    vendor_id: str
    device_id: str
    driver: str | None
    render_nodes: tuple[str, ...] = ()


@frozen()
class RenderNode:
    """A DRM render node; *pci* is None for a GPU that is part of a system on a chip."""

    path: str
    driver: str | None
    pci: PciDevice | None = None


@frozen()
class Hardware:
    """The hardware in the kernel's lists, sorted by PCI address and by render node number."""

    pci: tuple[PciDevice, ...] = ()
    render_nodes: tuple[RenderNode, ...] = ()

    @classmethod
    def scan(cls, host: Host) -> "Hardware":
        """Read the lists from sysfs and /dev/dri."""
        pci = tuple(_pci_devices(host))
        owners = {node: device for device in pci for node in device.render_nodes}
        numbers = {*host.numbers("/dev/dri", "renderD"), *host.numbers(_DRM, "renderD")}
        nodes = [_render_node(host, number, owners) for number in sorted(numbers)]
        return cls(pci=pci, render_nodes=tuple(nodes))

    def of_vendor(self, vendor_id: str) -> tuple[PciDevice, ...]:
        """Return the PCI devices of one vendor."""
        return tuple(device for device in self.pci if device.vendor_id == vendor_id)

    def without(self, vendor_ids: Collection[str]) -> "Hardware":
        """Return the hardware without the devices of these vendors."""
        return Hardware(
            pci=tuple(device for device in self.pci if device.vendor_id not in vendor_ids),
            render_nodes=tuple(
                node
                for node in self.render_nodes
                if node.pci is None or node.pci.vendor_id not in vendor_ids
            ),
        )


def device_tree(host: Host, name: str) -> tuple[str, ...]:
    """Return the strings in a property of the device tree's root; none if the host has no tree."""
    text = host.read(f"/proc/device-tree/{name}", limit=4096) or ""
    return tuple(printable(word) for part in text.split("\0") if (word := part.strip()))


def read_vram(host: Host, address: str) -> Memory | None:
    """Return the memory of a card as its driver reports it; None if the driver does not.

    Sources: Documentation/gpu/amdgpu/driver-misc.rst (amdgpu); drivers/gpu/drm/xe/xe_tile_sysfs.c
    (xe: for each tile, including what the driver reserves for itself).
    """
    place = f"{_PCI}/{address}"
    total, used = (host.number(f"{place}/mem_info_vram_{word}") for word in ("total", "used"))
    if total is None:
        numbers = host.numbers(place, "tile")
        tiles = [host.number(f"{place}/tile{n}/physical_vram_size_bytes") for n in numbers]
        total = sum(tile or 0 for tile in tiles) or None
    if total is None:
        return None
    free = None if used is None else max(0, total - used)
    return Memory(total=total, source=MemorySource.KERNEL, free=free)


def parse_id(text: str | None) -> str:
    """Return a PCI ID such as ``0x10DE`` as lspci(8) prints it; "" if *text* is not an ID."""
    digits = (text or "").lower().removeprefix("0x")
    valid = len(digits) == 4 and all(digit in "0123456789abcdef" for digit in digits)  # noqa: PLR2004 (16 bits)
    return digits if valid else ""


def _pci_devices(host: Host) -> list[PciDevice]:
    devices: list[PciDevice] = []
    for address in host.names(_PCI):
        place = f"{_PCI}/{address}"
        if not (host.value(f"{place}/class") or "").startswith(_CLASSES):
            continue
        minors = host.numbers(f"{place}/drm", "renderD")
        devices.append(
            PciDevice(
                address=address,
                vendor_id=parse_id(host.value(f"{place}/vendor")),
                device_id=parse_id(host.value(f"{place}/device")),
                driver=host.link_name(f"{place}/driver"),
                render_nodes=tuple(f"/dev/dri/renderD{minor}" for minor in minors),
            )
        )
    return devices


def _render_node(host: Host, number: int, owners: dict[str, PciDevice]) -> RenderNode:
    path = f"/dev/dri/renderD{number}"
    pci = owners.get(path)
    if pci:
        return RenderNode(path=path, driver=pci.driver, pci=pci)
    device = f"{_DRM}/renderD{number}/device"
    # A device without a driver link is made by the driver itself (vgem): use the device's name.
    driver = host.link_name(f"{device}/driver") or host.link_name(device)
    return RenderNode(path=path, driver=driver)
