"""Detect Apple silicon under macOS, where containers run in a virtual machine."""

from ramalama_accel.host import Host
from ramalama_accel.values import Accelerator, AcceleratorKind

_MACOS = "/System/Library/CoreServices/SystemVersion.plist"


def find_apple(host: Host) -> Accelerator | None:
    """Detect macOS on Apple silicon.

    The device nodes are those of the virtual machine (Podman's libkrun machine has /dev/dri, others
    have none), so none is named here.
    """
    if host.machine != "arm64" or not host.exists(_MACOS):
        return None
    reason = "Apple silicon; its GPU is used through the engine's virtual machine"
    return Accelerator(kind=AcceleratorKind.APPLE, reason=reason)
