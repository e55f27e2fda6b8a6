"""Models of Ollama's kind in Debian's docker-registry, which checks what our double only plays."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx2
import pytest

from ramalama.errors import UnknownModel
from ramalama.models.formats.model_files import Digest, FileKind
from ramalama.models.http.client import ask, opened
from ramalama.models.options import ModelFormat
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.transports import open_transport
from ramalama.models.transports.base import TransportContext
from ramalama_engines.user import InvokingUser
from tests.doubles import ollama

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama.models.download.values import RemoteBlob
    from ramalama.models.transports.base import Transport
    from tests.lab.registry import Registry

pytestmark = pytest.mark.engines

CONFIG = json.dumps(dict(ollama.GGUF_CONFIG)).encode()
SMALL = {
    "template": b"{{ .Prompt }}",
    "system": b"You are a seal.",
    "params": b'{"stop": ["<|im_end|>"], "temperature": 0.2}',
    "license": b"Apache License",
}


@pytest.fixture
def transport(tmp_path: Path) -> Generator[Transport]:
    user = InvokingUser(env={}, home=tmp_path, uid=0, root=tmp_path)
    with open_transport(Scheme.OLLAMA, TransportContext(user=user)) as opened_transport:
        yield opened_transport


@pytest.fixture
def published(registry: Registry) -> str:
    """A reference to a model that is only so called."""
    return publish(registry, {"model": b"GGUF"})


def publish(registry: Registry, layers: dict[str, bytes]) -> str:
    name = f"ollama/smollm2-{uuid4().hex[:12]}"
    with registry.client() as client:
        for content in (CONFIG, *layers.values()):
            upload(client, name, content)
        client.put(
            f"/v2/{name}/manifests/135m",
            json=ollama.make_manifest(layers, CONFIG),
            headers={"content-type": ollama.MANIFEST_TYPE},
        ).raise_for_status()
    return f"ollama://{registry.address}/{name}:135m"


def upload(client: httpx2.Client, name: str, content: bytes) -> None:
    begun = client.post(f"/v2/{name}/blobs/uploads/").raise_for_status()
    place = httpx2.URL(begun.headers["location"])
    query = {"digest": ollama.sha256(content)}
    client.put(place.copy_merge_params(query), content=content).raise_for_status()


def digest_of(blob: RemoteBlob) -> Digest:
    """Download it as anybody would, and look what came."""
    found = hashlib.sha256()
    with opened(blob.client, "GET", blob.locate().url) as response:
        for piece in response.iter_bytes():
            found.update(piece)
    return Digest(found.hexdigest())


def test_a_model_is_found_and_all_of_it_downloads_as_announced(
    registry: Registry, transport: Transport, model: Path
) -> None:
    reference = publish(registry, {"model": model.read_bytes(), **SMALL})

    found = transport.find(ModelRef.parse(reference), ModelFormat.GGUF)

    assert [file.kind for file in found.files] == [
        FileKind.GGUF,
        FileKind.GO_TEMPLATE,
        FileKind.SYSTEM,
        FileKind.PARAMETERS,
        FileKind.LICENSE,
    ]
    assert found.files[0].blob.size == model.stat().st_size
    assert [digest_of(file.blob) for file in found.files] == [
        file.blob.digest for file in found.files
    ]


def test_the_revision_is_the_digest_that_the_registry_knows_the_manifest_by(
    published: str, transport: Transport, registry: Registry
) -> None:
    reference = ModelRef.parse(published)

    revision = transport.find(reference, ModelFormat.GGUF).revision

    path = reference.location.partition("/")[2]
    with registry.client() as client:
        accept = {"accept": ollama.MANIFEST_TYPE}
        answer = ask(client, f"{registry.url}/v2/{path}/manifests/{revision}", headers=accept)
    assert answer.headers["docker-content-digest"] == revision


def test_what_the_registry_does_not_have_is_an_unknown_model(
    published: str, transport: Transport
) -> None:
    present = ModelRef.parse(published)
    absent = ModelRef(present.scheme, f"{present.location}-2", present.tag)

    with pytest.raises(UnknownModel, match=r"-2:135m$"):
        transport.find(absent, ModelFormat.GGUF)


@pytest.mark.parametrize("accept", [{}, {"accept": "application/vnd.oci.image.manifest.v1+json"}])
def test_the_registry_is_as_strict_about_what_is_accepted_as_the_double(
    accept: dict[str, str], published: str, registry: Registry
) -> None:
    path = ModelRef.parse(published).location.partition("/")[2]

    with registry.client() as client:
        answer = client.get(f"/v2/{path}/manifests/135m", headers=accept)

    assert answer.status_code == 400
