"""Connect to a UNIX socket in a directory that another party may write to.

The directory of a server's socket is mounted into its container. So the socket can be replaced by a
symbolic link, which would lead to any other socket of the user.
"""

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager

_DESCRIPTORS = "/proc/self/fd"


@contextmanager
def checked_socket(path: str) -> Generator[str]:
    """Yield another path of the socket at *path*, which leads there and nowhere else in the block.

    On Linux, the socket is opened first and then named by its descriptor, so it may be replaced at
    any time; the path is short, too. Without proc(5) or O_PATH, it is only checked before.

    Raises:
        OSError: *path* does not exist, or is not a socket, but for example a link to one.

    """
    if not (hasattr(os, "O_PATH") and os.path.isdir(_DESCRIPTORS)):  # noqa: PTH112 - no pathlib here
        _check(path, os.lstat(path))
        yield path
        return
    handle = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _check(path, os.fstat(handle))
        yield f"{_DESCRIPTORS}/{handle}"
    finally:
        os.close(handle)


def _check(path: str, status: os.stat_result) -> None:
    if not stat.S_ISSOCK(status.st_mode):
        raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK), path)
