"""Cover the volumes that an image declares, so that it gets no writable directory on the disk."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from ramalama.errors import OptionRefused
from ramalama_engines.spec import BindMount, TmpfsMount
from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ramalama_engines.spec import LocalImage, Mount

_MOST = 16
_SIZE = 64 << 20  # bytes
_LONGEST_PATH = 255


def cover_volumes(image: LocalImage, name: str, mounts: Sequence[Mount]) -> Iterator[TmpfsMount]:
    """Yield a small file system in memory for each volume of *image* that *mounts* do not cover.

    Raises:
        OptionRefused: the image has too many volumes, or one has an invalid path or is inside a
            directory of the host, where the engine would create it.
    """
    if len(image.volumes) > _MOST:
        msg = f"the image {name} declares {len(image.volumes)} volumes; {_MOST} are allowed"
        raise OptionRefused(msg, hint="use another image")
    covered = {mount.target for mount in mounts}
    shared = [mount.target for mount in mounts if isinstance(mount, BindMount)]
    for volume in image.volumes:
        path = _clean(volume)
        if path is None or any(path.startswith(f"{target}/") for target in shared):
            shown = printable(volume)[:_LONGEST_PATH]
            msg = f"the image {name} declares the volume '{shown}', which is not allowed"
            raise OptionRefused(msg, hint="use another image")
        if path not in covered:
            covered.add(path)
            yield TmpfsMount(target=path, size=_SIZE)


def _clean(path: str) -> str | None:
    """Return *path* without needless slashes and dots, as engines do; None if it is invalid."""
    clean = "/" + posixpath.normpath(path).lstrip("/")
    invalid = not path.startswith("/") or clean == "/" or not path.isprintable()
    return None if invalid or len(path) > _LONGEST_PATH else clean
