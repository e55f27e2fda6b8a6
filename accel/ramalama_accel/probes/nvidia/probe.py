"""Find NVIDIA cards for CUDA, and a way to give them to a container."""

from ramalama_accel.hardware import Hardware
from ramalama_accel.host import Host
from ramalama_accel.probes.nvidia.cards import find_nvidia_cards
from ramalama_accel.values import Finding, ProbeResult
from ramalama_accel.visible import VisibleDevices


def find_nvidia(host: Host, hardware: Hardware, wanted: VisibleDevices) -> ProbeResult:
    """Find NVIDIA cards that a container can use.

    Raises:
        InvalidVisibleDevices: *wanted* names a card or MIG device that does not exist.
    """
    gpus, findings = find_nvidia_cards(host, hardware)
    if not gpus:
        return ProbeResult(findings=findings)
    # Imported only on a host with an NVIDIA card, since the import takes time.
    from ramalama_accel.probes.nvidia.device_access import choose_way  # noqa: PLC0415

    result, problems = choose_way(host, gpus, wanted)
    if isinstance(result, Finding):
        return ProbeResult(findings=(*findings, *problems, result))
    return ProbeResult.of(result, *findings, *problems)
