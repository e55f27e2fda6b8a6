"""Images with a model are told from others before their layers are fetched."""

from __future__ import annotations

import json

import pytest

from ramalama.models.transports.oci.manifests.image import holds_model, is_annotated


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"config": {"Labels": {"org.containers.type": "ai.image.model.raw"}}}, True),
        ({"config": {"Labels": {"org.containers.type": "ai.image.model.car"}}}, True),
        ({"config": {"Labels": {"com.ramalama.model.file.location": "/models/m"}}}, True),
        ({"config": {"Labels": {"org.containers.type": "bootc"}}}, False),
        ({"history": [{"created_by": "COPY models/ /models # buildkit"}]}, True),
        ({"history": [{"created_by": "/bin/sh -c #(nop) COPY dir:1 in /models/ "}]}, True),
        ({"history": [{"created_by": "RUN apt-get install"}, {"empty_layer": True}]}, False),
        ({"config": {"Labels": None}, "history": None}, False),
        ({"config": {"Labels": ["org.containers.type"]}, "history": {"0": 1}}, False),
        ({"config": {"Labels": {"org.containers.type": 7}}, "history": [7, "/models"]}, False),
        ({"config": "none"}, False),
        ({}, False),
    ],
)
def test_an_image_holds_a_model_if_label_or_history_say_so(
    config: object, *, expected: bool
) -> None:
    assert holds_model(json.dumps(config).encode()) == expected


def test_a_configuration_that_is_no_object_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        holds_model(b"[]")


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({"org.cncf.model.model": "true"}, True),
        ({"org.cncf.model.model": "false"}, False),
        ({"org.containers.type": "ai.image.model.raw"}, True),
        ({"org.opencontainers.image.title": "ai.image.model.raw"}, False),
        ({}, False),
    ],
)
def test_annotations_say_that_something_is_a_model(
    annotations: dict[str, str], *, expected: bool
) -> None:
    assert is_annotated(annotations) == expected
