"""Detect the accelerator of a host: run the probes in order and take the first usable one."""

from collections.abc import Callable, Mapping

from ramalama_accel.hardware import Hardware
from ramalama_accel.host import Host
from ramalama_accel.probes.amd import find_amd
from ramalama_accel.probes.apple import find_apple
from ramalama_accel.probes.asahi import find_asahi
from ramalama_accel.probes.ascend import find_ascend
from ramalama_accel.probes.intel import find_intel
from ramalama_accel.probes.musa import find_musa
from ramalama_accel.probes.nvidia.probe import find_nvidia
from ramalama_accel.probes.vulkan import find_vulkan
from ramalama_accel.values import (
    Accelerator,
    AcceleratorKind,
    Detection,
    Finding,
    InvalidVisibleDevices,
    ProbeResult,
)
from ramalama_accel.visible import VisibleDevices, read_visible_devices

Probe = Callable[[Host, Hardware, VisibleDevices], ProbeResult]

PROBES: Mapping[AcceleratorKind, Probe] = {
    AcceleratorKind.ASAHI: find_asahi,
    AcceleratorKind.CUDA: find_nvidia,
    AcceleratorKind.ASCEND: find_ascend,
    AcceleratorKind.HIP: find_amd,
    AcceleratorKind.INTEL: find_intel,
    AcceleratorKind.MUSA: find_musa,
    AcceleratorKind.VULKAN: find_vulkan,
}

# If the user hides a family, Vulkan does not use its cards, either.
_VENDORS: Mapping[AcceleratorKind, str] = {
    AcceleratorKind.CUDA: "10de",
    AcceleratorKind.HIP: "1002",
    AcceleratorKind.INTEL: "8086",
    AcceleratorKind.MUSA: "1ed5",
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
    hardware = Hardware.scan(host).without([_VENDORS[k] for k in hidden if k in _VENDORS])
    for kind in asked_for or [kind for kind in PROBES if kind not in hidden]:
        result = PROBES[kind](host, hardware, wanted[kind])
        findings += result.findings
        if result.accelerator:
            return result.accelerator
    if asked_for:
        raise _unmet(wanted[asked_for[0]], asked_for[0], findings)
    apple = find_apple(host)
    findings += apple.findings
    return apple.accelerator or _processor(findings)


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
