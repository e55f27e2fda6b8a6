"""Manifests are not trusted; every field that is used is checked for its type and size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.errors import ModelPullError
from ramalama.models.formats.model_files import Digest
from ramalama.models.transports.oci.manifests.manifest import (
    Descriptor,
    Index,
    Manifest,
    Platform,
    parse_manifest,
)
from ramalama.models.transports.oci.manifests.media_types import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

HEX = "ab" * 32
BLOB = {"mediaType": "a/b", "digest": f"sha256:{HEX}", "size": 7}
MANIFEST = {"schemaVersion": 2, "config": BLOB, "layers": [BLOB]}
INDEX = {"schemaVersion": 2, "manifests": [BLOB]}
PARSED = Descriptor(media_type="a/b", digest=Digest(HEX), size=7)


def parse(fields: object) -> Manifest | Index:
    return parse_manifest(json.dumps(fields).encode(), name="oci://quay.io/o/m:1")


def with_layer(**fields: object) -> dict[str, object]:
    return {**MANIFEST, "layers": [{**BLOB, **fields}]}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (MANIFEST, Manifest(config=PARSED, layers=(PARSED,))),
        ({**MANIFEST, "layers": []}, Manifest(config=PARSED, layers=())),
        ({**MANIFEST, "mediaType": DOCKER_MANIFEST}, Manifest(config=PARSED, layers=(PARSED,))),
        (
            {**MANIFEST, "artifactType": "x/y", "annotations": {"a": "b"}, "subject": 7},
            Manifest(config=PARSED, layers=(PARSED,), artifact_type="x/y", annotations={"a": "b"}),
        ),
        (INDEX, Index(manifests=(PARSED,))),
        ({**INDEX, "mediaType": OCI_INDEX}, Index(manifests=(PARSED,))),
        ({**INDEX, "mediaType": DOCKER_LIST}, Index(manifests=(PARSED,))),
        (
            {
                **INDEX,
                "manifests": [
                    {
                        **BLOB,
                        "artifactType": "x/y",
                        "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"},
                    }
                ],
            },
            Index(
                manifests=(
                    Descriptor(
                        media_type="a/b",
                        digest=Digest(HEX),
                        size=7,
                        artifact_type="x/y",
                        platform=Platform(os="linux", architecture="arm64"),
                    ),
                )
            ),
        ),
    ],
)
def test_a_manifest_is_what_its_fields_say(
    fields: Mapping[str, object], expected: Manifest | Index
) -> None:
    assert parse(fields) == expected


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([], "not a JSON object"),
        ({}, "schemaVersion is not 2"),
        ({**MANIFEST, "schemaVersion": 1}, "schemaVersion is not 2"),
        ({**MANIFEST, "mediaType": OCI_INDEX}, "its mediaType is 'application/vnd.oci.image.index"),
        ({**INDEX, "mediaType": DOCKER_MANIFEST}, "its mediaType is"),
        ({**MANIFEST, **INDEX}, "as a manifest and as an index"),
        ({**INDEX, "config": BLOB}, "as a manifest and as an index"),
        ({**MANIFEST, "config": None}, "its config is not an object"),
        ({**MANIFEST, "layers": {}}, "it has no list of layers"),
        ({**MANIFEST, "layers": [BLOB] * 10_001}, "it has 10001 layers"),
        ({**INDEX, "manifests": "all"}, "it has no list of manifests"),
        ({**MANIFEST, "layers": [BLOB, "x"]}, r"its layers\[1\] is not an object"),
        (with_layer(size=-1), r"layers\[0\] has an impossible size"),
        (with_layer(size=2**80), "an impossible size"),
        (with_layer(size=1.5), "an impossible size"),
        (with_layer(size=True), "an impossible size"),
        (with_layer(size="7"), "an impossible size"),
        (with_layer(size=None), "an impossible size"),
        (with_layer(digest=None), "no SHA-256 digest"),
        (with_layer(digest="sha256:../../etc/passwd"), "no SHA-256 digest"),
        (with_layer(digest=f"sha512:{HEX}{HEX}"), "no SHA-256 digest"),
        (with_layer(mediaType=7), "'mediaType' is not text"),
        (with_layer(mediaType="x" * 70_000), "'mediaType' is not text"),
        (with_layer(annotations=[]), "its annotations are not an object"),
        (with_layer(annotations={"a": 1}), "its 'a' is not text"),
        (with_layer(platform={"os": 1}), "its 'os' is not text"),
        ({**MANIFEST, "artifactType": {}}, "its 'artifactType' is not text"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(fields: object, reason: str) -> None:
    with pytest.raises(
        ModelPullError, match=rf"^the manifest of oci://.* is not valid: .*{reason}"
    ):
        parse(fields)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"it is not valid JSON \(line 1, column 1\)"),
        (b"<html>", "it is not valid JSON"),
        (b"\xff\xfe{\0}\0", "it is not UTF-8"),
        (b'{"schemaVersion":2,"a":' + b"[" * 100_000, "it is nested too deeply"),
        (b'{"schemaVersion":' + b"2" * 5000 + b"}", "it has a number with too many digits$"),
        (b'{"schemaVersion":2,"a":-' + b"2" * 100_000 + b"}", "a number with too many digits$"),
        (b'{"schemaVersion":2,"a":[NaN]}', "it is not valid JSON, which has no NaN$"),
        (b'{"schemaVersion":2,"a":-Infinity}', "it is not valid JSON, which has no -Infinity$"),
        (rb'{"schemaVersion":2,"\ud800":1}', "it has half of a character$"),
        (rb'{"schemaVersion":2,"a":["\uDFFF\uD83D"]}', "it has half of a character$"),
        (rb'{"schemaVersion":2,"a":"\ud83e\uddad"}', "its config is not an object$"),
        (b'{"layers":[],"layers":[]}', "a field occurs twice"),
        (b'{"schemaVersion":2,"config":{"size":1,"size":2}}', "a field occurs twice"),
    ],
)
def test_what_is_no_json_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ModelPullError, match=reason):
        parse_manifest(content, name="m")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda values: (
        st.lists(values, max_size=4)
        | st.dictionaries(
            st.sampled_from([*MANIFEST, *INDEX, *BLOB, "annotations", "platform", "os"]), values
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_a_manifest_or_an_error_of_ours(fields: object) -> None:
    try:
        found = parse(fields)
    except ModelPullError:
        return
    assert isinstance(found, Manifest | Index)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_manifest_or_an_error_of_ours(content: bytes) -> None:
    with pytest.raises(ModelPullError):
        parse_manifest(content, name="m")
