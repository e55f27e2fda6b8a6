"""An OCI registry in memory that can be pushed to; OCI distribution specification 1.1."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.doubles.oci_models import digest
from tests.doubles.server import FileServer, Reply, Request

_BLOB = r"/v2/(?P<name>.+)/blobs/(?P<digest>sha256:[0-9a-f]{64})"
_UPLOAD = r"/v2/(?P<name>.+)/blobs/uploads/[0-9]*"
_MANIFEST = r"/v2/(?P<name>.+)/manifests/(?P<version>[^/]+)"


@dataclass(slots=True)
class WritableRegistry:
    """Keeps what is pushed, as a route of *server*, and refuses what a test says.

    Attributes:
        blobs: by repository and digest.
        manifests: by repository and tag; the type, and the bytes.
        refusals: what is answered to the next requests of a method instead.
    """

    server: FileServer
    blobs: dict[str, dict[str, bytes]] = field(default_factory=dict[str, dict[str, bytes]])
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(
        default_factory=dict[tuple[str, str], tuple[str, bytes]]
    )
    refusals: dict[str, list[Reply]] = field(default_factory=dict[str, list[Reply]])
    _uploads: int = 0

    def __post_init__(self) -> None:
        self.server.routes["/v2/"] = self._answer

    @property
    def address(self) -> str:
        """What references begin with."""
        return self.server.url.partition("://")[2]

    def methods(self) -> list[str]:
        """Name the methods that were asked with, in order."""
        return [request.method for request in self.server.requests]

    def _answer(self, request: Request) -> Reply:
        if refused := self.refusals.get(request.method):
            return refused.pop(0)
        if match := re.fullmatch(_UPLOAD, request.path):
            return self._upload(match["name"], request)
        if match := re.fullmatch(_BLOB, request.path):
            found = self.blobs.get(match["name"], {}).get(match["digest"])
            return Reply(status=404) if found is None else Reply(body=found)
        if match := re.fullmatch(_MANIFEST, request.path):
            return self._manifest(match["name"], match["version"], request)
        return Reply(status=200 if request.path == "/v2/" else 404)

    def _upload(self, name: str, request: Request) -> Reply:
        repository = self.blobs.setdefault(name, {})
        if request.method == "PUT":
            named = request.query["digest"]
            if digest(request.body) != named:
                return Reply(status=400)
            repository[named] = request.body
            return Reply(status=201)
        source = self.blobs.get(request.query.get("from", ""), {})
        mounted = source.get(request.query.get("mount", ""))
        if mounted is not None:
            repository[digest(mounted)] = mounted
            return Reply(status=201)
        self._uploads += 1
        location = f"/v2/{name}/blobs/uploads/{self._uploads}"
        return Reply(status=202, headers={"location": location})

    def _manifest(self, name: str, version: str, request: Request) -> Reply:
        if request.method == "PUT":
            kind = request.headers["content-type"]
            for tag in (version, digest(request.body)):
                self.manifests[name, tag] = (kind, request.body)
            return Reply(status=201)
        if (name, version) not in self.manifests:
            return Reply(status=404)
        kind, content = self.manifests[name, version]
        return Reply(headers={"content-type": kind}, body=content)
