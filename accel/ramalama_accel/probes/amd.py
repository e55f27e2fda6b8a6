"""Find AMD cards for HIP, through the kernel's compute driver (KFD).

Sources: drivers/gpu/drm/amd/amdkfd/kfd_topology.c of the Linux kernel (`properties`, `mem_banks`);
ROCm documentation, "Running ROCm Docker containers" (/dev/kfd, and one render node per card).
"""

import re
from collections.abc import Iterator

from ramalama_accel.hardware import Hardware, read_vram
from ramalama_accel.host import Host
from ramalama_accel.permissions import find_driver_obstacle, find_obstacle, groups_for, sort_out
from ramalama_accel.values import (
    Accelerator,
    AcceleratorKind,
    Finding,
    Gpu,
    Memory,
    MemorySource,
    ProbeResult,
)
from ramalama_accel.visible import VisibleDevices

VENDOR_ID = "1002"

_KIND = AcceleratorKind.HIP
_TOPOLOGY = "/sys/class/kfd/kfd/topology/nodes"
_KFD = "/dev/kfd"
_OLDEST = (9, 0, 0)
_LEAST_MEMORY = 1024**3
_OVERRIDE = "HSA_OVERRIDE_GFX_VERSION"
_OVERRIDE_FORM = r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{1,2})"
_VRAM_HEAPS = (1, 2)  # HSA_MEM_HEAP_TYPE_FB_PUBLIC and _FB_PRIVATE
_VULKAN_SERVES = "nothing to do: Vulkan is used if it has a driver"
_DRIVER_REMEDY = "load the amdgpu driver: `sudo modprobe amdgpu`"

Version = tuple[int, int, int]


def find_amd(host: Host, hardware: Hardware, wanted: VisibleDevices) -> ProbeResult:
    """Find AMD cards that ROCm can compute on.

    Raises:
        InvalidVisibleDevices: *wanted* names a card that does not exist.
    """
    found = list(_topology(host))
    if not found:
        return ProbeResult(findings=tuple(_without_kfd(hardware)))
    override = _override(host)
    if isinstance(override, Finding):
        return ProbeResult(findings=(override,))
    gpus = wanted.select([gpu for gpu, _ in found])
    versions = {gpu.index: override or version for gpu, version in found}

    def find(gpu: Gpu) -> Finding | None:
        unfit = None if wanted.is_asked_for else _find_unfit(gpu, versions[gpu.index])
        return unfit or _find_obstacle(host, gpu)

    usable, findings = sort_out(gpus, find)
    if not usable:
        return ProbeResult(findings=findings)
    return ProbeResult.of(_accelerator(host, usable), *findings)


def _accelerator(host: Host, gpus: tuple[Gpu, ...]) -> Accelerator:
    paths = (_KFD, *(node for gpu in gpus for node in gpu.nodes))
    override = host.env.get(_OVERRIDE)
    names = ", ".join(gpu.architecture or "" for gpu in gpus)
    return Accelerator(
        kind=_KIND,
        gpus=gpus,
        device_paths=paths,
        groups=groups_for(host, paths),
        env={_OVERRIDE: override} if override else {},
        driver_version=host.value("/sys/module/amdgpu/version"),
        reason=f"{len(gpus)} AMD GPU(s) that ROCm computes on ({names})",
    )


def _find_unfit(gpu: Gpu, version: Version) -> Finding | None:
    """Return why ROCm does not support *gpu*; not called if HIP_VISIBLE_DEVICES names it."""
    if version < _OLDEST:
        return _unusable(f"{_label(gpu)}: older than gfx900, which ROCm needs", _VULKAN_SERVES)
    memory = gpu.memory.total if gpu.memory else 0
    if memory <= _LEAST_MEMORY:
        message = f"{_label(gpu)}: it has only {memory >> 20} MiB of its own memory"
        remedy = "give it more than 1 GiB in the firmware's set-up, or name it in "
        return _unusable(message, f"{remedy}HIP_VISIBLE_DEVICES; until then, Vulkan is used")
    return None


def _find_obstacle(host: Host, gpu: Gpu) -> Finding | None:
    if host.machine != "x86_64":
        return _unusable(f"{_label(gpu)}: ROCm exists for x86_64 only", _VULKAN_SERVES)
    return find_obstacle(host, _KIND, _label(gpu), (_KFD, *gpu.nodes))


def _label(gpu: Gpu) -> str:
    return f"AMD GPU {gpu.pci_address} ({gpu.architecture})"


def _topology(host: Host) -> Iterator[tuple[Gpu, Version]]:
    """Yield the GPUs that the compute driver lists, each with its instruction set version."""
    index = 0
    for node in host.numbers(_TOPOLOGY):
        said = _properties(host, f"{_TOPOLOGY}/{node}/properties")
        target = said.get("gfx_target_version", 0)
        if not 0 < target < 1_000_000:  # noqa: PLR2004 (two digits each of major, minor, stepping)
            continue
        version = (target // 10000, target // 100 % 100, target % 100)
        yield _gpu(host, index, node, said, version), version
        index += 1


def _gpu(host: Host, index: int, node: int, said: dict[str, int], version: Version) -> Gpu:
    address = _address(said.get("domain", 0), said.get("location_id", 0))
    unique = said.get("unique_id")
    minor = said.get("drm_render_minor", 0)
    vram, share = read_vram(host, address), _share(host, f"{_TOPOLOGY}/{node}/mem_banks")
    if vram is None or vram.total != share:  # a partition of a card has only a share
        vram = Memory(total=share, source=MemorySource.KERNEL)
    return Gpu(
        index=index,
        name=host.value(f"/sys/bus/pci/devices/{address}/product_name"),
        uuid=f"GPU-{unique:016x}" if unique else None,
        vendor_id=VENDOR_ID,
        device_id=f"{said.get('device_id', 0):04x}",
        architecture=f"gfx{version[0]}{version[1]:x}{version[2]:x}",
        memory=vram,
        nodes=(f"/dev/dri/renderD{minor}",) if minor else (),
        pci_address=address,
    )


def _share(host: Host, directory: str) -> int:
    banks = [_properties(host, f"{directory}/{n}/properties") for n in host.numbers(directory)]
    return sum(
        bank.get("size_in_bytes", 0) for bank in banks if bank.get("heap_type") in _VRAM_HEAPS
    )


def _address(domain: int, location: int) -> str:
    bus, device, function = location >> 8 & 0xFF, location >> 3 & 0x1F, location & 0x7
    return f"{domain:04x}:{bus:02x}:{device:02x}.{function}"


def _properties(host: Host, path: str) -> dict[str, int]:
    pairs = [line.split() for line in (host.read(path) or "").splitlines()]
    return {
        pair[0]: int(pair[1])
        for pair in pairs
        if len(pair) == 2 and pair[1].isascii() and pair[1].isdigit() and len(pair[1]) <= 20  # noqa: PLR2004 (64 bits)
    }


def _override(host: Host) -> Version | Finding | None:
    text = host.env.get(_OVERRIDE)
    if not text:
        return None
    match = re.fullmatch(_OVERRIDE_FORM, text)
    if match is None:
        return _unusable(
            f"{_OVERRIDE}={text!r} is not a version such as 11.0.0", "correct or unset it"
        )
    return int(match[1]), int(match[2]), int(match[3])


def _without_kfd(hardware: Hardware) -> Iterator[Finding]:
    for card in hardware.of_vendor(VENDOR_ID):
        label = f"AMD GPU {card.address}"
        yield find_driver_obstacle(_KIND, label, card, ("amdgpu",), _DRIVER_REMEDY) or _unusable(
            f"{label}: the kernel offers no compute on it ({_TOPOLOGY} does not list it)",
            _VULKAN_SERVES,
        )


def _unusable(message: str, remedy: str) -> Finding:
    return Finding(kind=_KIND, usable=False, message=message, remedy=remedy)
