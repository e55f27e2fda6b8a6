"""Apple silicon under macOS, where containers run in a virtual machine."""

from ramalama_accel.host import Host
from ramalama_accel.values import Accelerator, AcceleratorKind

_MACOS = "/System/Library/CoreServices/SystemVersion.plist"


def find_apple(host: Host) -> Accelerator | None:
    """Look for macOS on Apple silicon.

    Which nodes there are is the virtual machine's to say (Podman's libkrun machine has /dev/dri,
    others have none), so none is named here.
    """
    if host.machine != "arm64" or not host.exists(_MACOS):
        return None
    reason = "Apple silicon; its GPU is reached through the machine that the engine runs in"
    return Accelerator(kind=AcceleratorKind.APPLE, reason=reason)
