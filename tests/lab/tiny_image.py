"""Put images of a few bytes into a registry, without any engine; the OCI distribution spec."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import httpx2

    from tests.lab.registry import Registry

_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"


def publish(registry: Registry, repository: str, tag: str, *, content: bytes) -> str:
    """Publish an image whose only file is ``/content``; return the manifest's digest.

    The same content makes the same image, other content another one under the same tag.
    """
    layer = _layer(content)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/content"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    encoded = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"mediaType": _CONFIG, "digest": _digest(encoded), "size": len(encoded)},
        "layers": [{"mediaType": _LAYER, "digest": _digest(layer), "size": len(layer)}],
    }
    with registry.client() as client:
        for blob in (layer, encoded):
            _upload(client, repository, blob)
        answer = client.put(
            f"/v2/{repository}/manifests/{tag}",
            content=json.dumps(manifest),
            headers={"Content-Type": _MANIFEST},
        )
    return answer.raise_for_status().headers["Docker-Content-Digest"]


def _upload(client: httpx2.Client, repository: str, blob: bytes) -> None:
    place = client.post(f"/v2/{repository}/blobs/uploads/").raise_for_status().headers["Location"]
    where = client.build_request("PUT", place).url.copy_add_param("digest", _digest(blob))
    client.put(where, content=blob).raise_for_status()


def _layer(content: bytes) -> bytes:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        entry = tarfile.TarInfo("content")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return layer.getvalue()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"
