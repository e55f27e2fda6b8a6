"""Write an image as an archive that engines load, as ``docker save`` does.

Source: Docker Image Specification 1.2, "Combined Image JSON + Filesystem Changeset Format".
"""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramalama.models.transports.oci.pack import Package


def image_archive(package: Package, tag: str) -> Iterator[bytes]:
    """Yield the archive of *package*, whose name becomes *tag*; files are read as it is sent.

    Raises:
        ModelPushError: a file cannot be read, or has changed meanwhile.
    """
    *layers, config = package.blobs
    names = [f"{blob.descriptor.digest.hex}.tar" for blob in layers]
    config_name = f"{config.descriptor.digest.hex}.json"
    manifest = [{"Config": config_name, "RepoTags": [tag], "Layers": names}]
    for name, blob in zip((*names, config_name), package.blobs, strict=True):
        yield _header(name, blob.content.size)
        yield from blob.content.blocks()
        yield bytes(-blob.content.size % tarfile.BLOCKSIZE)
    written = json.dumps(manifest).encode()
    yield _header("manifest.json", len(written))
    yield written + bytes(-len(written) % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.PAX_FORMAT)
