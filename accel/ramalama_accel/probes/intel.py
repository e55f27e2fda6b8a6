"""Find Intel GPUs that oneAPI computes on: the Xe families, integrated and discrete.

Source of the IDs and of the platform names: include/drm/intel/pciids.h of the Linux kernel. Intel's
compute runtime no longer supports older GPUs (before Tiger Lake); Vulkan is used for them.
"""

from collections.abc import Mapping

from ramalama_accel.hardware import Hardware, PciDevice, read_vram
from ramalama_accel.host import Host
from ramalama_accel.permissions import find_driver_obstacle, find_obstacle, groups_for, sort_out
from ramalama_accel.values import (
    SHARED_MEMORY,
    Accelerator,
    AcceleratorKind,
    Finding,
    Gpu,
    Memory,
    ProbeResult,
)
from ramalama_accel.visible import VisibleDevices

VENDOR_ID = "8086"

_KIND = AcceleratorKind.INTEL
_DRIVERS = ("i915", "xe")
_DRIVER_REMEDY = "use a newer kernel, or boot with xe.force_probe=…"

_DISCRETE: Mapping[str, str] = {
    "dg1": "4905 4906 4907 4908 4909",
    "dg2": "5690 5691 5692 5693 5694 5695 5696 5697 56a0 56a1 56a2 56a3 56a4 56a5 56a6"
    " 56b0 56b1 56b2 56b3 56ba 56bb 56bc 56bd 56be 56bf",
    "ats-m": "56c0 56c1 56c2",
    "pvc": "0b69 0b6e 0bd4 0bd5 0bd6 0bd7 0bd8 0bd9 0bda 0bdb 0be0 0be1 0be5",
    "bmg": "e202 e209 e20b e20c e20d e210 e211 e212 e216 e220 e221 e222 e223",
}
_INTEGRATED: Mapping[str, str] = {
    "tgl": "9a40 9a49 9a59 9a60 9a68 9a70 9a78 9ac0 9ac9 9ad9 9af8",
    "rkl": "4c80 4c8a 4c8b 4c8c 4c90 4c9a",
    "adl-s": "4680 4682 4688 468a 468b 4690 4692 4693",
    "adl-p": "4626 4628 462a 46a0 46a1 46a2 46a3 46a6 46a8 46aa 46b0 46b1 46b2 46b3"
    " 46c0 46c1 46c2 46c3",
    "adl-n": "46d0 46d1 46d2 46d3 46d4",
    "rpl-s": "a780 a781 a782 a783 a788 a789 a78a a78b",
    "rpl-p": "a720 a721 a7a0 a7a1 a7a8 a7a9 a7aa a7ab a7ac a7ad",
    "mtl": "7d40 7d45 7d55 7d60 7dd5",
    "arl": "7d41 7d51 7d67 7dd1 b640",
    "lnl": "6420 64a0 64b0",
    "ptl": "b080 b081 b082 b083 b084 b085 b086 b087 b08f b090 b0a0 b0b0",
}

# The largest memory, in GiB, of the cards that i915 drives, which does not report it. Source:
# Intel's product pages ("Memory Size"); two variants of the A770 have the same ID.
_GIB: Mapping[int, str] = {
    4: "4905 56a6 5693 5694 56b0",
    6: "56a5 56b1 56c1",
    8: "56a1 56a2 5692 56b2",
    12: "5691 56b3",
    16: "56a0 5690 56c0",
    48: "0bd9 0bda 0bdb",
    96: "0bd7 0bd8",
    128: "0bd5 0bd6",
}


def find_intel(host: Host, hardware: Hardware, wanted: VisibleDevices) -> ProbeResult:
    """Find Intel GPUs that oneAPI computes on; discrete GPUs are preferred to integrated ones.

    Raises:
        InvalidVisibleDevices: *wanted* names a GPU that does not exist.
    """
    known = [card for card in hardware.of_vendor(VENDOR_ID) if _platform(card)]
    gpus = [_gpu(host, index, card) for index, card in enumerate(known)]
    if not gpus:
        return ProbeResult()
    chosen = wanted.select(gpus) if wanted.items is not None else _discrete_first(gpus)
    usable, findings = sort_out(chosen, lambda gpu: _find_obstacle(host, gpu, known[gpu.index]))
    if not usable:
        return ProbeResult(findings=findings)
    return ProbeResult.of(_accelerator(host, usable), *findings)


def read_memory(host: Host, card: PciDevice) -> Memory | None:
    """Return an Intel GPU's own memory; None if it is not known from the driver or the model."""
    vram = read_vram(host, card.address)
    if vram:
        return vram
    platform = _platform(card)
    if platform in _DISCRETE:
        return next((Memory.of_model(gib) for gib in _GIB if card.device_id in _GIB[gib]), None)
    # All discrete GPUs that i915 drives are known; newer ones will be driven by xe.
    return SHARED_MEMORY if platform or card.driver == "i915" else None


def _find_obstacle(host: Host, gpu: Gpu, card: PciDevice) -> Finding | None:
    label = f"Intel GPU {gpu.pci_address} ({gpu.architecture})"
    if host.machine != "x86_64":
        message = f"{label}: oneAPI exists for x86_64 only"
        remedy = "nothing to do: Vulkan is used"
        return Finding(kind=_KIND, usable=False, message=message, remedy=remedy)
    return find_driver_obstacle(_KIND, label, card, _DRIVERS, _DRIVER_REMEDY) or find_obstacle(
        host, _KIND, label, gpu.nodes
    )


def _accelerator(host: Host, gpus: tuple[Gpu, ...]) -> Accelerator:
    paths = tuple(node for gpu in gpus for node in gpu.nodes)
    names = ", ".join(gpu.architecture or "" for gpu in gpus)
    return Accelerator(
        kind=_KIND,
        gpus=gpus,
        device_paths=paths,
        groups=groups_for(host, paths),
        reason=f"{len(gpus)} Intel GPU(s) that oneAPI computes on ({names})",
    )


def _discrete_first(gpus: list[Gpu]) -> tuple[Gpu, ...]:
    # Layers that are split between a card and the integrated GPU run at the speed of the latter.
    discrete = tuple(gpu for gpu in gpus if gpu.architecture in _DISCRETE)
    return discrete or tuple(gpus)


def _platform(card: PciDevice) -> str | None:
    for platforms in (_DISCRETE, _INTEGRATED):
        for platform, ids in platforms.items():
            if card.device_id and card.device_id in ids:
                return platform
    return None


def _gpu(host: Host, index: int, card: PciDevice) -> Gpu:
    return Gpu(
        index=index,
        vendor_id=VENDOR_ID,
        device_id=card.device_id,
        architecture=_platform(card),
        memory=read_memory(host, card),
        nodes=card.render_nodes,
        pci_address=card.address,
    )
