"""A model gets into a registry, and nothing is sent that is there already."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from ramalama.config.config import Config
from ramalama.errors import (
    AccessDenied,
    InvalidReference,
    ModelPullError,
    ModelPushError,
    ModelUnsupported,
)
from ramalama.events import UploadEvent, UploadPlanned, UploadProgress, UploadRetrying
from ramalama.models.formats.model_files import Digest, FileKind
from ramalama.models.http.client import open_http
from ramalama.models.http.failures import RetryPolicy
from ramalama.models.library import Models
from ramalama.models.options import PullOptions, PushKind, PushOptions
from ramalama.models.push import Push, Pusher
from ramalama.models.store.records import StoredFile
from ramalama.models.transports.oci.client.registry import Access
from ramalama.models.transports.oci.pack import LocalFile
from ramalama_engines import ImageReference, InvokingUser
from tests.doubles.oci_models import DOCKER_CONFIG, Layer, digest, make_image, make_model, make_tar
from tests.doubles.server import FileServer, Reply
from tests.doubles.writable_registry import WritableRegistry

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator
    from pathlib import Path

    import httpx2

    from tests.doubles.oci_models import Model

WEIGHTS = b"GGUF" + bytes(range(256)) * 20_000


@pytest.fixture
def registry() -> Generator[WritableRegistry]:
    with FileServer() as server:
        yield WritableRegistry(server)


@pytest.fixture
def access(tmp_path: Path) -> Generator[Access]:
    with ExitStack() as clients:

        def open_client(*, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
            return clients.enter_context(open_http(verify=verify))

        yield Access(
            open_http=open_client,
            user=InvokingUser(env={}, home=tmp_path, uid=1000, root=tmp_path),
            tls_verify=False,
            retry_policy=RetryPolicy(tries=3, sleep=lambda _seconds: None),
        )


@pytest.fixture
def weights(tmp_path: Path) -> LocalFile:
    path = tmp_path / "weights"
    path.write_bytes(WEIGHTS)
    file = StoredFile(
        name="tiny.gguf",
        kind=FileKind.GGUF,
        digest=Digest(hashlib.sha256(WEIGHTS).hexdigest()),
        size=len(WEIGHTS),
    )
    return LocalFile(file=file, path=path)


def make_push(
    registry: WritableRegistry,
    *files: LocalFile,
    kind: PushKind = PushKind.ARTIFACT,
    name: str = "me/tiny:1",
    source: str | None = None,
    base: str | None = None,
) -> Push:
    def reference(text: str) -> ImageReference:
        return ImageReference.parse(f"{registry.address}/{text}")

    return Push(
        name="tiny",
        files=files,
        target=reference(name),
        kind=kind,
        source=reference(source) if source else None,
        base=reference(base) if base else None,
    )


def publish(registry: WritableRegistry, repository: str, model: Model) -> None:
    """Let *registry* have *model* under the tag 1."""
    for tag in ("1", digest(model.manifest)):
        registry.manifests[repository, tag] = (model.type, model.manifest)
    registry.blobs.setdefault(repository, {}).update({digest(blob): blob for blob in model.blobs})


def layers_of(registry: WritableRegistry, repository: str) -> list[bytes]:
    """Return what the layers of the tag 1 hold."""
    _, content = registry.manifests[repository, "1"]
    blobs = registry.blobs[repository]
    return [blobs[layer["digest"]] for layer in json.loads(content)["layers"]]


@pytest.mark.parametrize("kind", [PushKind.ARTIFACT, PushKind.RAW])
def test_a_second_push_of_the_same_sends_no_blob_and_means_the_same_manifest(
    registry: WritableRegistry, access: Access, weights: LocalFile, kind: PushKind
) -> None:
    events: list[UploadEvent] = []
    pusher = Pusher(access, on_event=events.append)
    push = make_push(registry, weights, kind=kind)

    first = pusher.push(push)
    asked = len(registry.server.requests)
    second = pusher.push(push)

    assert first == second
    assert str(first) == digest(registry.manifests["me/tiny", "1"][1])
    again = registry.methods()[asked:]
    assert [method for method in again if method not in ("GET", "HEAD")] == ["PUT"]
    plans = [event for event in events if isinstance(event, UploadPlanned)]
    assert [(plan.files, plan.missing) for plan in plans] == [(2, plans[0].size), (0, 0)]
    assert plans[0].size >= len(WEIGHTS)


def test_an_artifact_has_the_very_file(
    registry: WritableRegistry, access: Access, weights: LocalFile
) -> None:
    Pusher(access).push(make_push(registry, weights))

    assert layers_of(registry, "me/tiny") == [WEIGHTS]
    assert registry.manifests["me/tiny", "1"][0] == "application/vnd.oci.image.manifest.v1+json"


def test_a_name_without_a_tag_is_the_latest(
    registry: WritableRegistry, access: Access, weights: LocalFile
) -> None:
    Pusher(access).push(make_push(registry, weights, name="me/tiny"))

    assert ("me/tiny", "latest") in registry.manifests


def test_files_of_one_content_are_sent_once(
    registry: WritableRegistry, access: Access, weights: LocalFile
) -> None:
    file = weights.file
    twin = StoredFile(name="twin.gguf", kind=file.kind, digest=file.digest, size=file.size)

    Pusher(access).push(make_push(registry, weights, LocalFile(file=twin, path=weights.path)))

    puts = [request for request in registry.server.requests if request.method == "PUT"]
    assert [len(request.body) > 4096 for request in puts] == [True, False, False]


def test_what_another_repository_of_the_registry_has_is_mounted_from_there(
    registry: WritableRegistry, access: Access, weights: LocalFile
) -> None:
    events: list[UploadEvent] = []
    Pusher(access).push(make_push(registry, weights, name="me/old:1"))
    sent = len(registry.server.requests)

    push = make_push(registry, weights, name="me/new:1", source="me/old:1")
    Pusher(access, on_event=events.append).push(push)

    assert layers_of(registry, "me/new") == [WEIGHTS]
    assert all(len(request.body) < 4096 for request in registry.server.requests[sent:])
    assert [
        (event.files, event.missing) for event in events if isinstance(event, UploadPlanned)
    ] == [(0, 0)]


def test_the_progress_ends_with_all_bytes_of_each_file(
    registry: WritableRegistry, access: Access, weights: LocalFile
) -> None:
    events: list[UploadEvent] = []

    Pusher(access, on_event=events.append).push(make_push(registry, weights))

    steps = [event for event in events if isinstance(event, UploadProgress)]
    sent = [step.done for step in steps if step.file == "tiny.gguf"]
    assert sent == sorted(sent)
    assert sent[-1] == len(WEIGHTS)
    assert steps[-1].file == "configuration"
    assert steps[-1].done == steps[-1].total


@pytest.mark.parametrize(
    "passing",
    [
        Reply(status=503),
        Reply(status=429, headers={"retry-after": "1"}),
        Reply(cut_after=0, length=9),
    ],
    ids=["busy", "too many requests", "hung up"],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_what_may_pass_is_tried_again(
    registry: WritableRegistry, access: Access, weights: LocalFile, passing: Reply, method: str
) -> None:
    events: list[UploadEvent] = []
    registry.refusals[method] = [passing, passing]

    Pusher(access, on_event=events.append).push(make_push(registry, weights))

    assert layers_of(registry, "me/tiny") == [WEIGHTS]
    retried = [event for event in events if isinstance(event, UploadRetrying)]
    assert [event.file for event in retried] == ["tiny.gguf", "tiny.gguf"]
    assert all(registry.address in event.reason for event in retried)


def test_the_manifest_is_put_again_too(
    registry: WritableRegistry, access: Access, weights: LocalFile
) -> None:
    events: list[UploadEvent] = []
    push = make_push(registry, weights)
    Pusher(access).push(push)
    registry.refusals["PUT"] = [Reply(status=502)]

    Pusher(access, on_event=events.append).push(push)

    assert [event.file for event in events if isinstance(event, UploadRetrying)] == ["manifest"]


def test_what_does_not_pass_is_an_error_that_says_how_to_go_on(
    registry: WritableRegistry, access: Access, weights: LocalFile
) -> None:
    registry.refusals["PUT"] = [Reply(status=503)] * 3

    with pytest.raises(ModelPushError, match=r"answered 503.*push again to send") as caught:
        Pusher(access).push(make_push(registry, weights))

    assert registry.address in str(caught.value)
    assert registry.manifests == {}
    Pusher(access).push(make_push(registry, weights))
    assert layers_of(registry, "me/tiny") == [WEIGHTS]


@pytest.mark.parametrize(
    ("method", "status"), [("PUT", 400), ("POST", 403), ("POST", 401), ("HEAD", 401)]
)
def test_a_refusal_is_final(
    registry: WritableRegistry, access: Access, weights: LocalFile, method: str, status: int
) -> None:
    registry.refusals[method] = [Reply(status=status)] * 2
    error = ModelPushError if status == 400 else AccessDenied

    with pytest.raises(error):
        Pusher(access).push(make_push(registry, weights))

    assert registry.methods().count("PUT") == (method == "PUT")
    assert registry.manifests == {}


def test_a_file_that_has_changed_since_is_not_published(
    registry: WritableRegistry, access: Access, weights: LocalFile
) -> None:
    weights.path.write_bytes(WEIGHTS[:-1])
    with pytest.raises(ModelPushError, match="has become shorter"):
        Pusher(access).push(make_push(registry, weights))

    weights.path.write_bytes(WEIGHTS[:-1] + b"?")
    with pytest.raises(ModelPushError, match="answered 400"):
        Pusher(access).push(make_push(registry, weights))

    assert registry.manifests == {}


def test_a_digest_is_no_place_to_push_to(
    registry: WritableRegistry, access: Access, weights: LocalFile
) -> None:
    with pytest.raises(ModelPushError, match="names a digest, but a push needs a tag"):
        Pusher(access).push(make_push(registry, weights, name=f"me/tiny@sha256:{'1' * 64}"))
    assert registry.server.requests == []


# Cars


BASE_LAYER = make_tar({"bin/sh": b"#!"})


@pytest.mark.parametrize("base", ["base/image:1", "base/image"])
def test_a_car_brings_its_base_along(
    registry: WritableRegistry, access: Access, weights: LocalFile, base: str
) -> None:
    with FileServer() as elsewhere:
        other = WritableRegistry(elsewhere)
        publish(other, "base/image", make_image(BASE_LAYER))
        other.manifests["base/image", "latest"] = other.manifests["base/image", "1"]
        push = make_push(registry, weights, kind=PushKind.CAR)
        reference = ImageReference.parse(f"{other.address}/{base}")
        push = Push(
            name=push.name, files=push.files, target=push.target, kind=push.kind, base=reference
        )

        first, second = Pusher(access).push(push), Pusher(access).push(push)

    assert first == second
    below, above = layers_of(registry, "me/tiny")
    assert below == BASE_LAYER
    assert WEIGHTS in above


def test_a_base_of_the_same_registry_is_mounted(
    registry: WritableRegistry, access: Access, weights: LocalFile
) -> None:
    publish(registry, "base/image", make_image(BASE_LAYER))

    Pusher(access).push(make_push(registry, weights, kind=PushKind.CAR, base="base/image:1"))

    assert layers_of(registry, "me/tiny")[0] == BASE_LAYER
    fetched = f"/v2/base/image/blobs/{digest(BASE_LAYER)}"
    assert registry.server.asked(fetched) == []


def test_layers_in_dockers_words_are_said_in_ocis(
    registry: WritableRegistry, access: Access, weights: LocalFile
) -> None:
    config = {"rootfs": {"type": "layers", "diff_ids": [f"sha256:{'1' * 64}"]}}
    layer = Layer(type="application/vnd.docker.image.rootfs.diff.tar.gzip", content=b"compressed")
    model = make_model(
        [layer], config=Layer(type=DOCKER_CONFIG, content=json.dumps(config).encode())
    )
    publish(registry, "base/image", model)

    Pusher(access).push(make_push(registry, weights, kind=PushKind.CAR, base="base/image:1"))

    layers = json.loads(registry.manifests["me/tiny", "1"][1])["layers"]
    assert [layer["mediaType"].rpartition(".")[2] for layer in layers] == ["tar+gzip", "tar"]


def broken_config() -> Model:
    return make_model(
        [Layer(type="application/vnd.oci.image.layer.v1.tar", content=b"x")],
        config=Layer(type=DOCKER_CONFIG, content=b'{"rootfs": {"diff_ids": []}}'),
    )


def no_json(content: bytes = b"{") -> Model:
    return make_model([], config=Layer(type=DOCKER_CONFIG, content=content))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            make_model([Layer(type="x/y", content=b"")]),
            "is not an image that can be the base of a car",
        ),
        (broken_config(), "the configuration of .* does not match its layers"),
        (no_json(), "the configuration of .* is not valid"),
        (no_json(rb'{"author": "\ud800"}'), "is not valid JSON: it has half of a character"),
        (no_json(b'{"created": NaN}'), "is not valid JSON, which has no NaN"),
    ],
)
def test_what_is_no_image_is_nothing_to_build_on(
    registry: WritableRegistry, access: Access, weights: LocalFile, model: Model, reason: str
) -> None:
    publish(registry, "base/image", model)

    with pytest.raises((ModelPullError, ModelUnsupported), match=reason):
        Pusher(access).push(make_push(registry, weights, kind=PushKind.CAR, base="base/image:1"))
    assert ("me/tiny", "1") not in registry.manifests


def test_a_base_layer_that_is_not_what_it_should_be_is_refused_by_the_registry(
    registry: WritableRegistry, access: Access, weights: LocalFile
) -> None:
    with FileServer() as elsewhere:
        other = WritableRegistry(elsewhere)
        publish(other, "base/image", make_image(BASE_LAYER))
        other.blobs["base/image"][digest(BASE_LAYER)] = BASE_LAYER[::-1]
        base = ImageReference.parse(f"{other.address}/base/image:1")
        push = make_push(registry, weights, kind=PushKind.CAR)

        with pytest.raises(ModelPushError, match="answered 400"):
            Pusher(access).push(
                Push(name="x", files=push.files, target=push.target, kind=push.kind, base=base)
            )
    assert registry.manifests == {}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(status=403), "base/image answered 403 for a layer"),
        (Reply(status=503), "base/image answered 503 for a layer"),
        (
            Reply(body=BASE_LAYER, cut_after=9),
            f"base/image does not send {digest(BASE_LAYER)}: ",
        ),
    ],
)
def test_a_base_layer_that_cannot_be_had_is_an_error_that_names_the_base(
    registry: WritableRegistry, access: Access, weights: LocalFile, reply: Reply, reason: str
) -> None:
    layer = f"/v2/base/image/blobs/{digest(BASE_LAYER)}"
    tries = 1 if reply.status == 403 else 3
    with FileServer() as elsewhere:
        other = WritableRegistry(elsewhere)
        publish(other, "base/image", make_image(BASE_LAYER))
        elsewhere.routes[layer] = lambda _request: reply
        base = ImageReference.parse(f"{other.address}/base/image:1")
        push = make_push(registry, weights, kind=PushKind.CAR)

        with pytest.raises(ModelPushError, match=reason):
            Pusher(access).push(
                Push(name="x", files=push.files, target=push.target, kind=push.kind, base=base)
            )
        assert len(elsewhere.asked(layer)) == tries
    assert registry.manifests == {}


def test_the_library_pushes_a_file_and_names_what_is_there_now(
    registry: WritableRegistry, tmp_path: Path
) -> None:
    file = tmp_path / "tiny.gguf"
    content = b"GGUF\3\0\0\0" + bytes(16) + WEIGHTS
    file.write_bytes(content)
    user = InvokingUser(env={}, home=tmp_path, uid=1000, root=tmp_path)
    models = Models(Config(store=str(tmp_path / "store")), user)
    target = models.resolve(f"oci://{registry.address}/me/tiny:1")
    options = PushOptions(kind=PushKind.ARTIFACT, tls_verify=False)
    events: list[UploadEvent] = []

    pushed = models.push(models.resolve(str(file)), target, options, on_event=events.append)

    assert pushed.location == target.location
    pulled = models.pull(pushed, PullOptions(tls_verify=False))
    assert pulled.weights[0].read_bytes() == content
    assert any(isinstance(event, UploadPlanned) for event in events)


def test_a_model_is_pushed_to_oci_registries_alone(tmp_path: Path) -> None:
    models = Models(Config(), InvokingUser(env={}, home=tmp_path, uid=1000, root=tmp_path))

    with pytest.raises(InvalidReference, match="hf://me/tiny is not in an OCI registry"):
        models.push(models.resolve("hf://me/tiny"))
