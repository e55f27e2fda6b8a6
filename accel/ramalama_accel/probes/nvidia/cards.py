"""Find the NVIDIA hardware of the host: PCI cards, a Tegra chip, or a GPU under WSL.

Sources: the NVIDIA driver's README ("/proc/driver/nvidia"), Tegra device tree bindings of the
Linux kernel (Documentation/devicetree/bindings/arm/tegra.yaml), and the WSL user guide of CUDA.
"""

import re

from ramalama_accel.hardware import Hardware, PciDevice, device_tree
from ramalama_accel.host import Host
from ramalama_accel.permissions import find_driver_obstacle
from ramalama_accel.values import SHARED_MEMORY, AcceleratorKind, Finding, Gpu, Memory
from ramalama_values.text import printable

VENDOR_ID = "10de"
WSL_DRIVER = "/usr/lib/wsl/lib/libcuda.so.1"

_PROC = "/proc/driver/nvidia"
_VERSION = r"\s([0-9]{3,4}\.[0-9]{2,4}(?:\.[0-9]{2,4})?)\s"
_TEGRA = {"tegra210": "sm_53", "tegra186": "sm_62", "tegra194": "sm_72", "tegra234": "sm_87"}
_DRIVER_REMEDY = "install NVIDIA's driver and restart; nouveau must not be loaded"

Cards = tuple[tuple[Gpu, ...], tuple[Finding, ...]]


def find_nvidia_cards(host: Host, hardware: Hardware) -> Cards:
    """Return the cards that NVIDIA's driver uses, and why it does not use the others."""
    cards = hardware.of_vendor(VENDOR_ID)
    if cards:
        return _pci_cards(host, cards)
    tegra = _tegra_chip(host)
    if tegra:
        return (tegra,), ()
    if host.node("/dev/dxg"):
        return _wsl(host)
    # A container sees the nodes that it was given, but often not their sysfs or procfs entries.
    minors = host.numbers("/dev", "nvidia")
    return tuple(_gpu(host, index, minor, None) for index, minor in enumerate(minors)), ()


def read_driver_version(host: Host) -> str | None:
    """Return the version of the loaded kernel module; None if it is not loaded."""
    match = re.search(_VERSION, host.read(f"{_PROC}/version") or "")
    return match[1] if match else None


def _pci_cards(host: Host, cards: tuple[PciDevice, ...]) -> Cards:
    gpus: list[Gpu] = []
    findings: list[Finding] = []
    for card in cards:
        obstacle = find_driver_obstacle(
            AcceleratorKind.CUDA, f"NVIDIA GPU {card.address}", card, ("nvidia",), _DRIVER_REMEDY
        )
        if obstacle:
            findings.append(obstacle)
        else:
            gpus.append(_gpu(host, len(gpus), None, card))
    return tuple(gpus), tuple(findings)


def _gpu(host: Host, index: int, minor: int | None, card: PciDevice | None) -> Gpu:
    said = _information(host, card.address) if card else {}
    # The minor number follows the driver's own order, not the PCI bus; old drivers do not show it.
    number = minor if minor is not None else said.get("Device Minor", str(index))
    return Gpu(
        index=index,
        name=said.get("Model"),
        uuid=said.get("GPU UUID"),
        vendor_id=VENDOR_ID,
        device_id=card.device_id if card else None,
        memory=_memory(said.get("Model")),
        nodes=(f"/dev/nvidia{number}",),
        pci_address=card.address if card else None,
    )


def _memory(name: str | None) -> Memory | None:
    if name is None:
        return None
    # Imported only on a host with an NVIDIA card, since the import takes time.
    from ramalama_accel.probes.nvidia.memory_table import find_gib  # noqa: PLC0415

    gib = find_gib(name)
    return None if gib is None else Memory.of_model(gib)


def _information(host: Host, address: str) -> dict[str, str]:
    text = host.read(f"{_PROC}/gpus/{address}/information") or ""
    pairs = [line.partition(":") for line in text.splitlines()]
    said = {key.strip(): printable(value.strip()) for key, _, value in pairs if value.strip()}
    if not said.get("Device Minor", "0").isdecimal():
        del said["Device Minor"]
    return said


def _tegra_chip(host: Host) -> Gpu | None:
    words = [word.removeprefix("nvidia,") for word in device_tree(host, "compatible")]
    chips = [word for word in words if word.startswith("tegra")]
    if not chips:
        return None
    model = device_tree(host, "model")
    return Gpu(
        index=0,
        name=model[0] if model else None,
        vendor_id=VENDOR_ID,
        architecture=next((_TEGRA[chip] for chip in chips if chip in _TEGRA), None),
        memory=SHARED_MEMORY,
    )


def _wsl(host: Host) -> Cards:
    if host.exists(WSL_DRIVER):
        return (Gpu(index=0, vendor_id=VENDOR_ID, nodes=("/dev/dxg",)),), ()
    finding = Finding(
        kind=AcceleratorKind.CUDA,
        usable=False,
        message="WSL has a GPU of Windows (/dev/dxg), but no NVIDIA driver",
        remedy="for an NVIDIA card, install NVIDIA's driver for Windows and run `wsl --shutdown`",
    )
    return (), (finding,)
