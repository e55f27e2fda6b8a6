"""Archives of images that no builder would make: any entries, any configuration."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """Return an entry of a layer; a device is that of /dev/zero."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, 0o644
    made.devmajor, made.devminor = (1, 5) if kind == tarfile.CHRTYPE else (0, 0)
    return made


def layer(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return a layer of *entries* with their contents."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        _add(tar, entries)
    return made.getvalue()


def archive(tag: str, layers: Sequence[bytes], config: Mapping[str, object] = {}) -> bytes:
    """Return an image as ``docker save`` writes it; *config* is what its containers run with."""
    digests = [hashlib.sha256(each).hexdigest() for each in layers]
    described = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        }
    ).encode()
    name = f"{hashlib.sha256(described).hexdigest()}.json"
    files = [f"{digest}.tar" for digest in digests]
    manifest = json.dumps([{"Config": name, "RepoTags": [tag], "Layers": files}]).encode()
    contents = {**dict(zip(files, layers, strict=True)), name: described, "manifest.json": manifest}
    return layer(*((entry(path), content) for path, content in contents.items()))


def _add(tar: tarfile.TarFile, entries: Sequence[tuple[tarfile.TarInfo, bytes]]) -> None:
    for info, content in entries:
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
