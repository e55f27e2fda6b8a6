"""Detect Apple silicon under Linux (Asahi).

Source: Documentation/devicetree/bindings/arm/apple.yaml of the Linux kernel; every such machine is
compatible with ``apple,arm-platform``.
"""

from ramalama_accel.hardware import Hardware, device_tree
from ramalama_accel.host import Host
from ramalama_accel.permissions import find_obstacle, groups_for
from ramalama_accel.values import (
    SHARED_MEMORY,
    Accelerator,
    AcceleratorKind,
    Finding,
    Gpu,
    ProbeResult,
)
from ramalama_accel.visible import VisibleDevices

_KIND = AcceleratorKind.ASAHI
_PLATFORM = "apple,arm-platform"
_DRIVER = "asahi"


def find_asahi(host: Host, hardware: Hardware, wanted: VisibleDevices) -> ProbeResult:
    """Find the GPU of an Apple machine that runs Linux.

    Raises:
        InvalidVisibleDevices: *wanted* names a second GPU; there is only one.
    """
    compatible = device_tree(host, "compatible")
    if _PLATFORM not in compatible:
        return ProbeResult()
    name = next(iter(device_tree(host, "model")), "Apple silicon")
    nodes = tuple(node.path for node in hardware.render_nodes if node.driver == _DRIVER)
    if not nodes:
        message = f"{name}: the kernel has no GPU driver for it"
        remedy = "run a kernel of the Asahi project; newer chips are not supported yet"
        finding = Finding(kind=_KIND, usable=False, message=message, remedy=remedy)
        return ProbeResult(findings=(finding,))
    chip = next((w.removeprefix("apple,") for w in compatible if w.startswith("apple,t")), None)
    gpu = Gpu(index=0, name=name, architecture=chip, memory=SHARED_MEMORY, nodes=nodes)
    gpus = wanted.select([gpu])
    obstacle = find_obstacle(host, _KIND, name, nodes)
    if obstacle:
        return ProbeResult(findings=(obstacle,))
    accelerator = Accelerator(
        kind=_KIND, gpus=gpus, device_paths=nodes, groups=groups_for(host, nodes), reason=name
    )
    return ProbeResult.of(accelerator)
