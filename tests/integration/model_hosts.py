"""Places that have a model, one per kind of reference, and how a user gets at them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from tests.doubles import ollama
from tests.doubles.hub import HuggingFace
from tests.doubles.hub_content import Visibility
from tests.doubles.modelscope import ModelScope
from tests.doubles.oci_models import (
    DMR_CONFIG,
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    FILEPATH,
    MODELPACK,
    MODELPACK_CONFIG,
    RAW_LABEL,
    Layer,
    Model,
    make_image,
    make_model,
    make_tar,
    put_model,
)
from tests.doubles.server import serve_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.doubles.server import FileServer
    from tests.lab.registry import Registry

_CNCF: Final = "application/vnd.cncf.model"
_OLLAMA: Final = "application/vnd.ollama.image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """A model that can be had.

    Attributes:
        env: what a user must have in the environment for it.
        options: what a command must be told.
    """

    reference: str
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    options: tuple[str, ...] = ()


def at_hugging_face(
    server: FileServer, files: Mapping[str, bytes], visibility: Visibility = Visibility.PUBLIC
) -> Hosted:
    """Have *files* in a repository of the hub at *server*, which gets one if it has none."""
    HuggingFace(server).add("acme/smollm2", files, visibility)
    return Hosted(reference="hf://acme/smollm2", env={"HF_ENDPOINT": server.url})


def at_modelscope(
    server: FileServer, files: Mapping[str, bytes], visibility: Visibility = Visibility.PUBLIC
) -> Hosted:
    """Have *files* in a repository of ModelScope at *server*."""
    ModelScope(server).add("acme/smollm2", files, visibility)
    return Hosted(reference="ms://acme/smollm2", env={"MODELSCOPE_ENDPOINT": server.url})


def at_web_server(server: FileServer, content: bytes) -> Hosted:
    """Have *content* under a plain address."""
    server.routes["/files/smollm2.gguf"] = serve_bytes(content)
    return Hosted(reference=f"{server.url}/files/smollm2.gguf")


def at_ollama(registry: Registry, layers: Mapping[str, bytes]) -> Hosted:
    """Have a model of Ollama's kind; *layers* are as in `ollama.make_manifest`."""
    made = make_model(
        [
            Layer(type=f"{_OLLAMA}.{kind.partition('.')[0]}", content=content)
            for kind, content in layers.items()
        ],
        config=Layer(type=DOCKER_CONFIG, content=json.dumps(ollama.GGUF_CONFIG).encode()),
        type_=DOCKER_MANIFEST,
    )
    return Hosted(reference=f"ollama://{_put(registry, made)}:135m")


def as_artifact(registry: Registry, content: bytes) -> Hosted:
    """Have a CNCF ModelPack."""
    path = {FILEPATH: "smollm2-Q4_1.gguf"}
    layer = Layer(type=f"{_CNCF}.weight.v1.raw", content=content, annotations=path)
    config = Layer(type=MODELPACK_CONFIG, content=b'{"config": {"format": "gguf"}}')
    return _oci(registry, make_model([layer], config=config, artifact_type=MODELPACK))


def as_raw_image(registry: Registry, content: bytes) -> Hosted:
    """Have an image as upstream's `push` makes them."""
    tar = make_tar(
        {"models/smollm2/smollm2.gguf": content},
        links={"models/model.file": "/models/smollm2/smollm2.gguf"},
    )
    return _oci(registry, make_image(tar, labels=RAW_LABEL))


def for_docker_model_runner(
    registry: Registry, content: bytes, more: Mapping[str, bytes] | None = None
) -> Hosted:
    """Have a model of Docker Model Runner's kind; *more* are layers by the end of their type."""
    layers = [
        Layer(type=f"application/vnd.docker.ai.{kind}", content=each)
        for kind, each in {"gguf.v3": content, **(more or {})}.items()
    ]
    config = Layer(type=DMR_CONFIG, content=b'{"config": {"format": "gguf"}}')
    return _oci(registry, make_model(layers, config=config))


def _oci(registry: Registry, model: Model) -> Hosted:
    # The registry of the lab speaks plain HTTP.
    options = () if registry.certificate else ("--tls-verify=false",)
    return Hosted(reference=f"oci://{_put(registry, model)}:135m", options=options)


def _put(registry: Registry, model: Model) -> str:
    name = f"acme/smollm2-{uuid4().hex[:12]}"
    with registry.client() as client:
        put_model(client, name, "135m", model)
    return f"{registry.address}/{name}"
