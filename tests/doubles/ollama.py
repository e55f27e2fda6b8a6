"""Ollama's registry on loopback: manifests here, blobs behind a redirect to another host.

Models in it are a mapping from layer types, ``model`` or ``license.2``, to contents; what follows
a dot only makes the key unique.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from tests.doubles.server import Reply, Request, Route, serve_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.doubles.server import FileServer

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
GGUF_CONFIG: Mapping[str, object] = {
    "model_format": "gguf",
    "model_family": "llama",
    "model_type": "134.52M",
    "file_type": "Q4_1",
}


def publish(
    server: FileServer,
    name: str,
    layers: Mapping[str, bytes],
    *,
    tag: str = "latest",
    config: Mapping[str, object] = GGUF_CONFIG,
) -> bytes:
    """Let *server* have a model under ``namespace/name``; return its manifest."""
    settings = json.dumps(config).encode()
    manifest = json.dumps(make_manifest(layers, settings)).encode()
    server.routes[f"/v2/{name}/manifests/{tag}"] = _serve_manifest(manifest)
    for content in (settings, *layers.values()):
        digest = sha256(content)
        redirect = Reply.redirect(f"{server.other_url}/cdn/{digest}", status=307)
        server.routes[f"/v2/{name}/blobs/{digest}"] = _always(redirect)
        server.routes[f"/cdn/{digest}"] = serve_bytes(content)
    return manifest


def make_manifest(layers: Mapping[str, bytes], config: bytes) -> dict[str, object]:
    """Describe *layers* and *config* as Ollama's registry does."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _descriptor(CONFIG_TYPE, config),
        "layers": [
            _descriptor(f"application/vnd.ollama.image.{kind.partition('.')[0]}", content)
            for kind, content in layers.items()
        ],
    }


def refuse(server: FileServer, name: str, *, status: int, body: bytes, tag: str = "latest") -> None:
    """Let *server* refuse to give the manifest of ``namespace/name``."""
    server.routes[f"/v2/{name}/manifests/{tag}"] = _always(Reply(status=status, body=body))


def sha256(content: bytes) -> str:
    """Return the digest of *content*, ``sha256:HEX``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": sha256(content), "size": len(content)}


def _serve_manifest(manifest: bytes) -> Route:
    def answer(request: Request) -> Reply:
        # As the real one may say, and as docker-registry does to who does not take its format.
        if MANIFEST_TYPE not in request.headers.get("accept", ""):
            return Reply(status=400, body=b'{"errors":[{"code":"MANIFEST_INVALID"}]}')
        return Reply(headers={"content-type": "text/plain; charset=utf-8"}, body=manifest)

    return answer


def _always(reply: Reply) -> Route:
    return lambda _request: reply
