"""Pack a folder into the tar archive from which an engine builds an image."""

from __future__ import annotations

import tarfile
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO


def pack(context: Path) -> BinaryIO:
    """Pack the folder *context* into a temporary file, which disappears when it is closed.

    The archive has all files of the folder, owned by root; a ``.containerignore`` is not read, as
    that is a feature of the engines' command lines. A link stays a link, and the engine resolves it
    inside the context: no file from outside the folder is packed. Sockets, pipes and device nodes
    are left out.

    Raises:
        OSError: the folder, or a file in it, cannot be read.
    """
    archive = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    try:
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path in sorted(context.iterdir()):  # the folder itself may be behind a link
                tar.add(path, arcname=path.name, filter=_shipped)
        archive.seek(0)
    except BaseException:
        archive.close()
        raise
    return archive


def _shipped(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Set root as the owner of *entry*; return None to leave it out."""
    if not (entry.isfile() or entry.isdir() or entry.issym() or entry.islnk()):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
