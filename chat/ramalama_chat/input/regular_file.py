"""Open files that a user names, but only regular ones."""

import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path, flags: int, mode: int = 0o600) -> BinaryIO:
    """Open *path* with os.open's *flags*; a FIFO or a device is refused, since it could block.

    Raises:
        OSError: it cannot be opened, or it is not a regular file.

    """
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb" if flags & os.O_ACCMODE == os.O_RDONLY else "ab")
