"""Detect the accelerator of a host: run the probes in order and take the first usable one."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from ramalama_accel.hardware import Hardware, device_tree
from ramalama_accel.host import Host
from ramalama_accel.values import (
    Accelerator,
    AcceleratorKind,
    Detection,
    Finding,
    InvalidVisibleDevices,
    ProbeResult,
)
from ramalama_accel.visible import VisibleDevices, read_visible_devices
from ramalama_values import frozen

Probe = Callable[[Host, Hardware, VisibleDevices], ProbeResult]


@frozen()
class Family:
    """A family of devices: its probe, and a quick test whether the host may have one.

    Attributes:
        probe: module below `ramalama_accel.probes` and function; imported only after the test.
        sign: returns whether a host may have such a device, by reading a few names.
        vendor: PCI vendor ID, for a family whose devices are on the PCI bus.
    """

    probe: str
    sign: Callable[[Host, Hardware], bool]
    vendor: str | None = None

    def find(self, host: Host, hardware: Hardware, wanted: VisibleDevices) -> ProbeResult:
        """Find the family's devices.

        Raises:
            InvalidVisibleDevices: *wanted* names a device that does not exist.
        """
        if not self.sign(host, hardware):
            return ProbeResult()
        module, _, name = self.probe.partition(":")
        probe = getattr(import_module(f"ramalama_accel.probes.{module}"), name)
        return cast("Probe", probe)(host, hardware, wanted)


def _asahi(host: Host, _hardware: Hardware) -> bool:
    return "apple,arm-platform" in device_tree(host, "compatible")


def _nvidia(host: Host, hardware: Hardware) -> bool:
    if hardware.of_vendor("10de") or host.numbers("/dev", "nvidia") or host.node("/dev/dxg"):
        return True
    return any(word.startswith("nvidia,tegra") for word in device_tree(host, "compatible"))


def _ascend(host: Host, hardware: Hardware) -> bool:
    return bool(hardware.of_vendor("19e5") or host.numbers("/dev", "davinci"))


def _amd(host: Host, hardware: Hardware) -> bool:
    return bool(hardware.of_vendor("1002") or host.exists("/sys/class/kfd/kfd/topology"))


def _intel(_host: Host, hardware: Hardware) -> bool:
    return bool(hardware.of_vendor("8086"))


def _musa(_host: Host, hardware: Hardware) -> bool:
    return bool(hardware.of_vendor("1ed5"))


def _vulkan(_host: Host, hardware: Hardware) -> bool:
    return bool(hardware.render_nodes)


# If the user hides a family, Vulkan does not use its cards, either; they are known by the vendor.
PROBES: Mapping[AcceleratorKind, Family] = {
    AcceleratorKind.ASAHI: Family(probe="asahi:find_asahi", sign=_asahi),
    AcceleratorKind.CUDA: Family(probe="nvidia.probe:find_nvidia", sign=_nvidia, vendor="10de"),
    AcceleratorKind.ASCEND: Family(probe="ascend:find_ascend", sign=_ascend),
    AcceleratorKind.HIP: Family(probe="amd:find_amd", sign=_amd, vendor="1002"),
    AcceleratorKind.INTEL: Family(probe="intel:find_intel", sign=_intel, vendor="8086"),
    AcceleratorKind.MUSA: Family(probe="musa:find_musa", sign=_musa, vendor="1ed5"),
    AcceleratorKind.VULKAN: Family(probe="vulkan:find_vulkan", sign=_vulkan),
}


def detect(host: Host) -> Detection:
    """Choose the accelerator of *host* from its files; start no process, and never fail.

    If the user's ``*_VISIBLE_DEVICES`` names a family, only this family is probed.
    """
    try:
        wanted = read_visible_devices(host.env)
    except InvalidVisibleDevices as error:
        return _refuse(error, [])
    findings: list[Finding] = []
    try:
        accelerator = _probe_in_order(host, wanted, findings)
    except InvalidVisibleDevices as error:
        return _refuse(error, findings)
    return Detection(accelerator=accelerator, findings=tuple(findings))


def _probe_in_order(
    host: Host, wanted: Mapping[AcceleratorKind, VisibleDevices], findings: list[Finding]
) -> Accelerator:
    asked_for = [kind for kind in PROBES if wanted[kind].is_asked_for]
    hidden = [kind for kind in PROBES if wanted[kind].is_hidden]
    findings += [_hidden(kind, wanted[kind]) for kind in hidden]
    vendors = [vendor for kind in hidden if (vendor := PROBES[kind].vendor)]
    hardware = Hardware.scan(host).without(vendors)
    for kind in asked_for or [kind for kind in PROBES if kind not in hidden]:
        result = PROBES[kind].find(host, hardware, wanted[kind])
        findings += result.findings
        if result.accelerator:
            return result.accelerator
    if asked_for:
        raise _unmet(wanted[asked_for[0]], asked_for[0], findings)
    return _apple(host) or _processor(findings)


def _apple(host: Host) -> Accelerator | None:
    if host.machine != "arm64":
        return None
    from ramalama_accel.probes.apple import find_apple  # noqa: PLC0415 (few hosts are Macs)

    return find_apple(host)


def _processor(findings: list[Finding]) -> Accelerator:
    passed_over = any(not finding.usable for finding in findings)
    reason = "no GPU is usable" if passed_over else "no GPU was found"
    findings.append(Finding(kind=AcceleratorKind.CPU, usable=True, message=reason))
    return Accelerator(kind=AcceleratorKind.CPU, reason=reason)


def _hidden(kind: AcceleratorKind, visible: VisibleDevices) -> Finding:
    return Finding(
        kind=kind,
        usable=False,
        message=f"{visible.variable}={visible.text!r} hides all devices of this kind",
        remedy=f"unset {visible.variable} to use them",
    )


def _unmet(
    visible: VisibleDevices, kind: AcceleratorKind, findings: list[Finding]
) -> InvalidVisibleDevices:
    causes = [finding.message for finding in findings if finding.kind is kind]
    cause = causes[-1] if causes else f"no {kind} device was found"
    return InvalidVisibleDevices(
        visible.variable, f"{visible.variable}={visible.text!r} cannot be met: {cause}"
    )


def _refuse(error: InvalidVisibleDevices, findings: list[Finding]) -> Detection:
    remedy = f"correct or unset {error.variable}"
    cpu = Finding(kind=AcceleratorKind.CPU, usable=False, message=str(error), remedy=remedy)
    accelerator = Accelerator(kind=AcceleratorKind.CPU, reason=str(error))
    return Detection(accelerator=accelerator, findings=(*findings, cpu), invalid=error)
