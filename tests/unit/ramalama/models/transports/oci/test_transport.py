"""Models of every kind are found in a registry; what is none is refused before it is fetched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ramalama.errors import ModelError, ModelPullError, ModelUnsupported
from ramalama.models.formats.model_files import FileKind
from ramalama.models.options import ModelFormat
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.transports.oci.transport import OciTransport, image_reference
from tests.doubles.oci_models import (
    FILEPATH,
    IMAGE_CONFIG,
    RAW_LABEL,
    Layer,
    Model,
    describe_manifest,
    digest,
    make_image,
    make_index,
    make_model,
    make_tar,
)
from tests.doubles.oci_registry import always, publish
from tests.doubles.server import FileServer, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.models.transports.base import RemoteModel
    from ramalama.models.transports.oci.client.registry import Access

WEIGHTS = b"GGUF weights"
LAYER = make_tar({"models/m/m.gguf": WEIGHTS})
ARTIFACT = make_model(
    [
        Layer(type="x/y", content=b"{}", annotations={FILEPATH: "config.json"}),
        Layer(type="x/y", content=WEIGHTS, annotations={FILEPATH: "m.gguf"}),
    ]
)


@pytest.fixture
def find(server: FileServer, access: Access) -> Callable[[Model], RemoteModel]:
    """Publish a model, and find it."""

    def published(model: Model) -> RemoteModel:
        publish(server, "team/model", "1", model)
        return OciTransport(access).find(reference(server), ModelFormat.GGUF)

    return published


def reference(server: FileServer, tag: str = "1") -> ModelRef:
    return ModelRef(Scheme.OCI, f"{server.url.removeprefix('http://')}/team/model", tag)


def test_the_files_of_an_artifact_are_its_layers(find: Callable[[Model], RemoteModel]) -> None:
    found = find(ARTIFACT)

    assert found.revision == digest(ARTIFACT.manifest)
    assert [(file.name, file.kind) for file in found.files] == [
        ("m.gguf", FileKind.GGUF),
        ("config.json", FileKind.OTHER),
    ]
    weights = found.files[0].blob
    assert (weights.identity, weights.size) == (digest(WEIGHTS), len(WEIGHTS))
    assert found.archives == ()


def test_a_model_is_found_by_its_digest(server: FileServer, access: Access) -> None:
    published = publish(server, "team/model", "1", ARTIFACT)

    found = OciTransport(access).find(reference(server, published), ModelFormat.GGUF)

    assert found.revision == published


@pytest.mark.parametrize(
    "image",
    [
        make_image(LAYER, labels=RAW_LABEL),
        make_image(LAYER, steps=["COPY m.gguf /models/ # buildkit"]),
    ],
    ids=["labelled", "by its history"],
)
def test_the_files_of_an_image_are_in_its_layers(
    find: Callable[[Model], RemoteModel], image: Model
) -> None:
    found = find(image)

    assert found.files == ()
    (archive,) = found.archives
    assert (archive.prefix, archive.blob.name) == ("models/", "layer 1")
    assert archive.blob.identity == digest(LAYER)


def test_an_index_leads_to_the_model_and_is_the_revision(
    server: FileServer, access: Access
) -> None:
    plain = make_image(LAYER)
    publish(server, "team/model", "image", plain)
    index = make_index(
        describe_manifest(make_image(b"other"), platform={"os": "linux", "architecture": "amd64"}),
        describe_manifest(plain, annotations={"org.cncf.model.model": "true"}),
    )
    publish(server, "team/model", "1", index)

    found = OciTransport(access).find(reference(server), ModelFormat.GGUF)

    assert found.revision == digest(index.manifest)
    assert [archive.blob.identity for archive in found.archives] == [digest(LAYER)]


def test_indexes_without_end_are_refused(server: FileServer, access: Access) -> None:
    model = ARTIFACT
    for number in range(4):
        publish(server, "team/model", f"{number}", model)
        model = make_index(describe_manifest(model))
    publish(server, "team/model", "1", model)

    with pytest.raises(ModelPullError, match="has too many nested indexes"):
        OciTransport(access).find(reference(server), ModelFormat.GGUF)


def test_an_ordinary_image_is_refused_before_its_layers_are_fetched(
    server: FileServer, find: Callable[[Model], RemoteModel]
) -> None:
    with pytest.raises(ModelUnsupported, match="is an image without a model: it has no label"):
        find(make_image(LAYER, steps=["RUN apt-get update"]))
    assert server.asked(f"/v2/team/model/blobs/{digest(LAYER)}") == []


def test_a_configuration_that_makes_no_sense_is_an_error(
    find: Callable[[Model], RemoteModel],
) -> None:
    config = Layer(type=IMAGE_CONFIG, content=b"[]")

    with pytest.raises(ModelPullError, match=r"the configuration of oci://.* is not valid: it is"):
        find(make_model([], config=config))


def test_a_configuration_that_is_missing_is_an_error(server: FileServer, access: Access) -> None:
    image = make_image(LAYER)
    publish(server, "team/model", "1", image)
    server.routes[f"/v2/team/model/blobs/{digest(image.blobs[0])}"] = always(Reply(status=404))

    with pytest.raises(ModelPullError, match="answered 404"):
        OciTransport(access).find(reference(server), ModelFormat.GGUF)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.gguf", "/etc/passwd.gguf", "a/../../b.gguf", "a\n.gguf", "a//b.gguf"]
)
def test_a_file_name_that_leads_out_is_refused(
    find: Callable[[Model], RemoteModel], name: str
) -> None:
    layer = Layer(type="x/y", content=WEIGHTS, annotations={FILEPATH: name})

    with pytest.raises(ModelUnsupported, match="not a valid file name"):
        find(make_model([layer]))


def test_two_files_of_one_name_are_refused(find: Callable[[Model], RemoteModel]) -> None:
    layers = [
        Layer(type="x/y", content=b"GGUF", annotations={FILEPATH: "m.gguf"}),
        Layer(type="x/y", content=b"{}", annotations={FILEPATH: "config.json"}),
        Layer(type="x/y", content=b"[]", annotations={FILEPATH: "CONFIG.json"}),
    ]

    with pytest.raises(ModelUnsupported, match="cannot coexist"):
        find(make_model(layers))


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.dictionaries(
        st.sampled_from(["schemaVersion", "config", "layers", "manifests", "artifactType"]),
        st.sampled_from([2, [], {}, "", None, [{}], json.loads(ARTIFACT.manifest)["layers"]]),
    )
)
def test_any_manifest_is_a_model_or_an_error_of_ours(
    find: Callable[[Model], RemoteModel], fields: dict[str, object]
) -> None:
    manifest = {**json.loads(ARTIFACT.manifest), **fields}
    try:
        found = find(Model(manifest=json.dumps(manifest).encode()))
    except ModelError:
        return
    assert found.files


@pytest.mark.parametrize(
    ("location", "tag", "expected"),
    [
        ("quay.io/o/m", "1", "quay.io/o/m:1"),
        ("quay.io/o/m", f"sha256:{'a' * 64}", f"quay.io/o/m@sha256:{'a' * 64}"),
        ("docker.io/ai/smollm2", "latest", "docker.io/ai/smollm2:latest"),
    ],
)
def test_an_engine_would_call_it(location: str, tag: str, expected: str) -> None:
    assert image_reference(ModelRef(Scheme.OCI, location, tag)).format() == expected


def test_a_name_that_no_registry_has_is_refused() -> None:
    with pytest.raises(ModelUnsupported, match="is not an image reference"):
        image_reference(ModelRef(Scheme.OCI, "quay.io/UPPER", "1"))
