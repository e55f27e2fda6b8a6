"""Find DRM render nodes for which Mesa, in the images, has a Vulkan driver for computing."""

from collections.abc import Mapping

from ramalama_accel.hardware import Hardware, RenderNode, read_vram
from ramalama_accel.host import Host
from ramalama_accel.permissions import find_obstacle, groups_for, sort_out
from ramalama_accel.probes import intel
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

_KIND = AcceleratorKind.VULKAN
_NO_DRIVER = "Mesa has no Vulkan driver for it"
# Kernel drivers whose render nodes are of no use, and why; nodes of any other driver are tried.
_USELESS: Mapping[str, str] = {
    "drm": "it is Tegra's display; its GPU is used through CUDA",
    "etnaviv": _NO_DRIVER,
    "lima": _NO_DRIVER,
    "nouveau": "it runs at its lowest clock, slower than the processor",
    "nvidia": "its Vulkan driver is not in the image; it is used through CUDA",
    "radeon": _NO_DRIVER,  # RADV works on amdgpu only
    # llama.cpp issue 9801: its limits on buffers and threads are too low for any model.
    "v3d": "its Vulkan driver is too limited for llama.cpp",
    "vc4-drm": _NO_DRIVER,
    "vgem": "it is not hardware",
    "virtio_gpu": "a virtual machine's display; Vulkan on it needs Venus on the host",
    "vmwgfx": _NO_DRIVER,
}
_RADEON_REMEDY = "if it is GCN 1 or 2, boot with radeon.si_support=0 radeon.cik_support=0"
_REMEDIES: Mapping[str, str] = {
    "nouveau": "install NVIDIA's driver and nvidia-container-toolkit",
    "nvidia": "see the finding on CUDA",
    "radeon": f"{_RADEON_REMEDY} amdgpu.si_support=1 amdgpu.cik_support=1",
}
_NOTHING = "nothing to do: the CPU is used"
# A virtual machine's GPU computes through Venus (Mesa, "Virtio-GPU Venus"), which needs features of
# the virtual device: VIRTIO_GPU_F_RESOURCE_BLOB and _CONTEXT_INIT (uapi/linux/virtio_gpu.h).
# libkrun, which is podman machine's on macOS, has them; a display alone does not.
_VIRTIO = "virtio_gpu"
_VENUS = (3, 4)


def find_vulkan(host: Host, hardware: Hardware, wanted: VisibleDevices) -> ProbeResult:
    """Find render nodes that Vulkan can compute on.

    Raises:
        InvalidVisibleDevices: *wanted* names a node that does not exist.
    """
    findings: list[Finding] = []
    candidates: list[Gpu] = []
    for node in hardware.render_nodes:
        reason = _USELESS.get(node.driver or "")
        if reason and not _has_venus(host, node):
            message = f"{_label(node)}: {reason}"
            remedy = _REMEDIES.get(node.driver or "", _NOTHING)
            findings.append(Finding(kind=_KIND, usable=False, message=message, remedy=remedy))
        else:
            candidates.append(_gpu(host, len(candidates), node))
    usable, obstacles = sort_out(
        wanted.select(candidates) if candidates else (),
        lambda gpu: find_obstacle(host, _KIND, f"GPU at {gpu.nodes[0]}", gpu.nodes),
    )
    findings += obstacles
    if not usable:
        return ProbeResult(findings=tuple(findings))
    paths = tuple(node for gpu in usable for node in gpu.nodes)
    accelerator = Accelerator(
        kind=_KIND,
        gpus=usable,
        device_paths=paths,
        groups=groups_for(host, paths),
        reason=f"{len(usable)} GPU(s) with a render node for Vulkan ({', '.join(paths)})",
    )
    return ProbeResult.of(accelerator, *findings)


def _label(node: RenderNode) -> str:
    place = node.pci.address if node.pci else node.path
    return f"GPU {place} ({node.driver})"


def _gpu(host: Host, index: int, node: RenderNode) -> Gpu:
    pci = node.pci
    return Gpu(
        index=index,
        vendor_id=pci.vendor_id if pci else None,
        device_id=pci.device_id if pci else None,
        memory=_memory(host, node),
        nodes=(node.path,),
        pci_address=pci.address if pci else None,
    )


def _memory(host: Host, node: RenderNode) -> Memory | None:
    card = node.pci
    if node.driver == _VIRTIO:
        return None  # it is outside of the virtual machine
    if card is None:
        return SHARED_MEMORY
    if card.vendor_id == intel.VENDOR_ID:
        return intel.read_memory(host, card)
    return read_vram(host, card.address)


def _has_venus(host: Host, node: RenderNode) -> bool:
    """Return whether *node* is that of a virtual GPU with the features that Venus needs.

    The kernel shows a device's features as digits, the first for bit 0 (drivers/virtio/virtio.c).
    """
    name = node.path.rpartition("/")[2]
    features = host.value(f"/sys/class/drm/{name}/device/features") or ""
    return node.driver == _VIRTIO and all(features[bit : bit + 1] == "1" for bit in _VENUS)
