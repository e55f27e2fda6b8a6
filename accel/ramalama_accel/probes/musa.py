"""Find Moore Threads cards (MUSA): /dev/mtgpu.N and a render node for each card."""

from collections.abc import Mapping

from ramalama_accel.hardware import Hardware, PciDevice
from ramalama_accel.host import Host
from ramalama_accel.permissions import find_driver_obstacle, find_obstacle, groups_for, sort_out
from ramalama_accel.values import Accelerator, AcceleratorKind, Finding, Gpu, Memory, ProbeResult
from ramalama_accel.visible import VisibleDevices

VENDOR_ID = "1ed5"

_KIND = AcceleratorKind.MUSA
# pci.ids, "Moore Threads Technology Co.,Ltd"
_NAMES: Mapping[str, str] = {
    "0106": "MTT S60",
    "0123": "MTT S2000",
    "0201": "MTT S80",
    "0202": "MTT S70",
    "0222": "MTT S3000",
}
# GiB. Source: Moore Threads' product pages.
_GIB: Mapping[str, int] = {"0123": 32, "0201": 16, "0202": 7, "0222": 32}
_DRIVER_REMEDY = "install the Moore Threads driver and load it: `sudo modprobe mtgpu`"


def find_musa(host: Host, hardware: Hardware, wanted: VisibleDevices) -> ProbeResult:
    """Find Moore Threads cards.

    Raises:
        InvalidVisibleDevices: *wanted* names a card that does not exist.
    """
    cards = hardware.of_vendor(VENDOR_ID)
    if not cards:
        return ProbeResult()
    gpus = wanted.select([_gpu(index, card) for index, card in enumerate(cards)])
    usable, findings = sort_out(gpus, lambda gpu: _find_obstacle(host, gpu, cards[gpu.index]))
    if not usable:
        return ProbeResult(findings=findings)
    paths = tuple(node for gpu in usable for node in gpu.nodes)
    accelerator = Accelerator(
        kind=_KIND,
        gpus=usable,
        device_paths=paths,
        groups=groups_for(host, paths),
        driver_version=host.value("/sys/module/mtgpu/version"),
        reason=f"{len(usable)} x {usable[0].name or 'Moore Threads GPU'}",
    )
    return ProbeResult.of(accelerator, *findings)


def _find_obstacle(host: Host, gpu: Gpu, card: PciDevice) -> Finding | None:
    label = f"{gpu.name or 'Moore Threads GPU'} {gpu.pci_address}"
    return find_driver_obstacle(_KIND, label, card, ("mtgpu",), _DRIVER_REMEDY) or find_obstacle(
        host, _KIND, label, gpu.nodes
    )


def _gpu(index: int, card: PciDevice) -> Gpu:
    gib = _GIB.get(card.device_id)
    return Gpu(
        index=index,
        name=_NAMES.get(card.device_id),
        vendor_id=VENDOR_ID,
        device_id=card.device_id,
        memory=Memory.of_model(gib) if gib else None,
        nodes=(f"/dev/mtgpu.{index}", *card.render_nodes),
        pci_address=card.address,
    )
