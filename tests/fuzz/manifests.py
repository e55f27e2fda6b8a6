"""Manifests and indexes of registries, and what they and configurations of images tell."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.errors import ModelError, ModelPullError, ModelUnsupported
from ramalama.models.options import ModelFormat
from ramalama.models.transports.oci.manifests.classify import is_image, read_contents
from ramalama.models.transports.oci.manifests.image import holds_model, is_annotated
from ramalama.models.transports.oci.manifests.index import choose_manifest
from ramalama.models.transports.oci.manifests.manifest import Index, Manifest, parse_manifest
from tests.doubles.oci_models import (
    FILEPATH,
    MODELPACK,
    RAW_LABEL,
    TITLE,
    Layer,
    Model,
    describe_manifest,
    make_image,
    make_index,
    make_model,
)
from tests.fuzz.answers import SECRET
from tests.fuzz.models import check_refusal
from tests.fuzz.targets import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LARGEST_BLOB = 64 * 1024**4
_MOST = 10_000
_METADATA = "org.cncf.model.file.metadata+json"
_UNPACK = "io.deis.oras.content.unpack"


def manifest(data: bytes) -> None:
    """Read a manifest, an index, or a configuration."""
    with suppress(ValueError):
        holds_model(data)
    try:
        _check(parse_manifest(data, name="fuzz"))
    except (ModelPullError, ModelUnsupported) as exc:
        check_refusal(exc, secret=SECRET)


def _check(found: Manifest | Index) -> None:
    descriptors = found.manifests if isinstance(found, Index) else (found.config, *found.layers)
    assert len(descriptors) <= _MOST + 1
    for descriptor in descriptors:
        assert 0 <= descriptor.size <= _LARGEST_BLOB
        assert len(descriptor.digest.hex) == 64
        assert all(isinstance(text, str) for text in descriptor.annotations.values())
    is_annotated(found.annotations)
    if isinstance(found, Index):
        assert choose_manifest(found, name="fuzz") in found.manifests
        return
    is_image(found)
    for wanted in ModelFormat:
        try:
            contents = read_contents(found, wanted, name="fuzz")
        except ModelError as exc:
            check_refusal(exc, secret=SECRET)
            continue
        layers = {id(layer) for layer in found.layers}
        taken = (*contents.archives, *(file.descriptor for file in contents.files))
        assert {id(descriptor) for descriptor in taken} <= layers


def seeds() -> tuple[bytes, ...]:
    """Return what each tool writes: models, an image, an index of them, and a configuration."""
    models = [made.manifest for made in _models()]
    image = make_image(b"layer", labels=RAW_LABEL, steps=["ADD model.gguf /models"])
    index = make_index(
        describe_manifest(_models()[0], annotations={"org.cncf.model.model": "true"}),
        describe_manifest(image, platform={"os": "linux", "architecture": "arm64"}),
        describe_manifest(image, platform={"os": "unknown", "architecture": "unknown"}),
        describe_manifest(image, artifactType=MODELPACK),
    )
    return (*models, image.manifest, image.blobs[0], index.manifest)


def _models() -> Sequence[Model]:
    cncf, dmr, ollama = "vnd.cncf.model", "vnd.docker.ai", "vnd.ollama.image"
    return [
        _model(
            (f"{cncf}.weight.v1.raw", {FILEPATH: "m-Q4_0.gguf"}),
            (f"{cncf}.weight.config.v1.raw", {FILEPATH: "./config.json"}),
            (f"{cncf}.doc.v1.raw", {_METADATA: '{"name": "README.md"}'}),
            (f"{cncf}.weight.v1.tar+gzip", {_UNPACK: "true"}),
            artifact_type=MODELPACK,
        ),
        _model(
            ("octet-stream", {TITLE: "m-00001-of-00002.gguf"}),
            ("octet-stream", {TITLE: "m-00002-of-00002.gguf"}),
            ("octet-stream", {TITLE: "LICENSE"}),
        ),
        _model((f"{dmr}.gguf.v3", {}), (f"{dmr}.gguf.v3", {}), (f"{dmr}.license", {})),
        _model((f"{ollama}.model", {}), (f"{ollama}.params", {}), (f"{ollama}.template", {})),
        _model(("octet-stream", {TITLE: "model.safetensors"}), ("x", {TITLE: "config.json"})),
    ]


def _model(*layers: tuple[str, Mapping[str, str]], artifact_type: str = "") -> Model:
    return make_model(
        [
            Layer(type=f"application/{kind}", content=b"x", annotations=annotations)
            for kind, annotations in layers
        ],
        artifact_type=artifact_type,
    )


TARGETS: Mapping[str, Target] = {
    "manifest": Target(run=manifest, seeds=seeds, has_json=True, short=2000),
}
