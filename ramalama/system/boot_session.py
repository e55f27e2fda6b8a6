"""Identify the boot of a host that has no procfs: macOS."""

from __future__ import annotations

import ctypes
import os
from typing import Protocol, cast

_NAME = b"kern.bootsessionuuid"  # XNU, bsd/kern/kern_sysctl.c: a new one at each boot
_LONGEST = 64


class SystemControl(Protocol):
    """The C library, where it has sysctlbyname(3)."""

    def sysctlbyname(
        self, name: bytes, value: object, size: object, new: None, new_size: int, /
    ) -> int:
        """Write the *value* called *name*; return 0, or -1 if there is none."""
        ...


def boot_session(library: SystemControl | None = None) -> str:
    """Return the identifier of this boot; the name of the host where the kernel has none.

    A name would not do on macOS: many hosts have the same one, and it changes with the network.
    """
    library = library or cast("SystemControl", ctypes.CDLL(None))
    value, size = ctypes.create_string_buffer(_LONGEST), ctypes.c_size_t(_LONGEST)
    try:
        failed = library.sysctlbyname(_NAME, value, ctypes.byref(size), None, 0)
    except AttributeError:
        failed = -1
    return os.uname().nodename if failed else value.value.decode("ascii", "replace")
