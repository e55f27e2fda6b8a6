"""Pack a folder as the tar archive that an image is built from."""

from __future__ import annotations

import tarfile
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO


def pack(context: Path) -> BinaryIO:
    """Pack *context* into an open file that has no name, and is gone when it is closed.

    Everything in it goes along (a ``.containerignore`` is the business of command lines), owned
    by root. A link stays a link, which the engine resolves inside the context: nothing from
    outside the folder gets in. Sockets, pipes and device nodes stay out.

    Raises:
        OSError: the folder, or something in it, cannot be read.
    """
    archive = tempfile.TemporaryFile()  # noqa: SIM115 (it is the caller's to close)
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
    """Make *entry* root's; None leaves it out."""
    if not (entry.isfile() or entry.isdir() or entry.issym() or entry.islnk()):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
