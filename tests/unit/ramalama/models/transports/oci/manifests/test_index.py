"""An index is followed to the model in it, or to the image for this machine."""

from __future__ import annotations

import pytest

from ramalama.errors import ModelUnsupported
from ramalama.models.transports.oci.manifests.index import choose_manifest
from ramalama.models.transports.oci.manifests.manifest import Index, parse_manifest
from tests.doubles.oci_models import (
    MODELPACK,
    Layer,
    describe_manifest,
    make_index,
    make_model,
)


def entry(name: str, **more: object) -> dict[str, object]:
    return describe_manifest(make_model([Layer(type="x/y", content=name.encode())]), **more)


def on(architecture: str, os: str = "linux") -> dict[str, object]:
    return {"platform": {"os": os, "architecture": architecture}}


NOTHING: dict[str, object] = {}
ANNOTATED = {"annotations": {"org.cncf.model.model": "true"}}
LABELLED = {"annotations": {"org.containers.type": "ai.image.model.car"}}
ATTESTED = {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}


@pytest.mark.parametrize(
    ("entries", "machine", "chosen"),
    [
        ([NOTHING], "x86_64", 0),
        ([on("arm64")], "x86_64", 0),
        ([on("arm64"), on("amd64")], "x86_64", 1),
        ([on("amd64"), on("arm64")], "aarch64", 1),
        ([on("amd64"), on("riscv64")], "riscv64", 1),
        ([on("amd64"), on("arm64") | ANNOTATED], "x86_64", 1),
        ([on("amd64"), on("arm64") | LABELLED], "x86_64", 1),
        ([on("amd64"), {"artifactType": MODELPACK}], "x86_64", 1),
        ([on("unknown", "unknown"), on("arm64")], "x86_64", 1),
        ([on("amd64") | ATTESTED, on("arm64")], "x86_64", 1),
    ],
)
def test_the_entry_is(entries: list[dict[str, object]], machine: str, chosen: int) -> None:
    made = [entry(f"{number}", **more) for number, more in enumerate(entries)]
    index = parse_manifest(make_index(*made).manifest, name="m")
    assert isinstance(index, Index)

    found = choose_manifest(index, name="m", machine=machine)

    assert str(found.digest) == made[chosen]["digest"]


def test_without_a_machine_it_is_this_one() -> None:
    index = parse_manifest(make_index(entry("only")).manifest, name="m")
    assert isinstance(index, Index)

    assert choose_manifest(index, name="m") == index.manifests[0]


@pytest.mark.parametrize("entries", [[], [entry("a", **ATTESTED)]])
def test_an_index_of_nothing_is_refused(entries: list[dict[str, object]]) -> None:
    index = parse_manifest(make_index(*entries).manifest, name="m")
    assert isinstance(index, Index)

    with pytest.raises(ModelUnsupported, match="m is an index without a manifest"):
        choose_manifest(index, name="m")
