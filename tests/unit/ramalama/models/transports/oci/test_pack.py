"""What is written into a registry for a model, to the byte."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from ramalama.models.formats.model_files import Digest, FileKind
from ramalama.models.options import ModelFormat, PushKind
from ramalama.models.store.records import StoredFile
from ramalama.models.transports.oci.layers.content import Content
from ramalama.models.transports.oci.manifests.classify import is_image, read_contents
from ramalama.models.transports.oci.manifests.image import holds_model
from ramalama.models.transports.oci.manifests.manifest import Descriptor, Manifest, parse_manifest
from ramalama.models.transports.oci.pack import (
    BaseImage,
    Blob,
    LocalFile,
    Package,
    model_layer,
    pack_artifact,
    pack_image,
)

if TYPE_CHECKING:
    from pathlib import Path


def make_file(directory: Path, name: str, kind: FileKind, content: bytes = b"") -> LocalFile:
    content = content or name.encode()
    path = directory / hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    file = StoredFile(
        name=name, kind=kind, digest=Digest(hashlib.sha256(content).hexdigest()), size=len(content)
    )
    return LocalFile(file=file, path=path)


@pytest.fixture
def files(tmp_path: Path) -> tuple[LocalFile, ...]:
    """A split model and what belongs to it, in the order in which a server wants them."""
    made = (
        ("Q8/tiny-00001-of-00002.gguf", FileKind.GGUF),
        ("Q8/tiny-00002-of-00002.gguf", FileKind.GGUF),
        ("mmproj-F16.gguf", FileKind.PROJECTOR),
        ("LICENSE", FileKind.LICENSE),
        ("a/config.json", FileKind.OTHER),
    )
    return tuple(make_file(tmp_path, name, kind) for name, kind in made)


def read_config(package: Package) -> dict[str, object]:
    config: dict[str, object] = json.loads(b"".join(package.blobs[-1].content.blocks()))
    return config


def read_manifest(package: Package) -> Manifest:
    manifest = parse_manifest(package.manifest, name="x")
    assert isinstance(manifest, Manifest)
    return manifest


# Artifacts


def test_an_artifact_has_the_files_as_they_are(tmp_path: Path) -> None:
    weights = make_file(tmp_path, "tiny.gguf", FileKind.GGUF, b"GGUF")

    package = pack_artifact("tiny", [weights])

    config = (
        '{"descriptor":{"name":"tiny"},"config":{"format":"gguf"},'
        f'"modelfs":{{"type":"layers","diffIds":["{weights.file.digest}"]}}}}'
    )
    assert b"".join(package.blobs[-1].content.blocks()).decode() == config
    config_digest = hashlib.sha256(config.encode()).hexdigest()
    assert package.manifest.decode() == (
        '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",'
        '"artifactType":"application/vnd.cncf.model.manifest.v1+json",'
        '"config":{"mediaType":"application/vnd.cncf.model.config.v1+json",'
        f'"digest":"sha256:{config_digest}","size":{len(config)}}},'
        '"layers":[{"mediaType":"application/vnd.cncf.model.weight.v1.raw",'
        f'"digest":"{weights.file.digest}","size":4,"annotations":'
        '{"org.cncf.model.filepath":"tiny.gguf","org.opencontainers.image.title":"tiny.gguf"}}]}'
    )
    assert b"".join(package.blobs[0].content.blocks()) == b"GGUF"


CLASSES = [
    ("x.gguf", FileKind.GGUF, "cncf.model.weight.v1.raw"),
    ("blob", FileKind.GGUF, "ollama.image.model"),
    ("x.safetensors", FileKind.SAFETENSORS, "cncf.model.weight.v1.raw"),
    ("mmproj.gguf", FileKind.PROJECTOR, "cncf.model.weight.v1.raw"),
    ("vision.gguf", FileKind.PROJECTOR, "ollama.image.projector"),
    ("lora.gguf", FileKind.ADAPTER, "ollama.image.adapter"),
    ("small.gguf", FileKind.DRAFT, "ollama.image.draft"),
    ("t.jinja", FileKind.CHAT_TEMPLATE, "cncf.model.weight.config.v1.raw"),
    ("chat_template", FileKind.CHAT_TEMPLATE, "docker.ai.chat.template.jinja"),
    ("template", FileKind.GO_TEMPLATE, "ollama.image.template"),
    ("system", FileKind.SYSTEM, "ollama.image.system"),
    ("params.json", FileKind.PARAMETERS, "ollama.image.params"),
    ("messages.json", FileKind.MESSAGES, "ollama.image.messages"),
    ("LICENSE", FileKind.LICENSE, "cncf.model.doc.v1.raw"),
    ("terms", FileKind.LICENSE, "ollama.image.license"),
    ("a/config.json", FileKind.OTHER, "cncf.model.weight.config.v1.raw"),
]


@pytest.mark.parametrize(("name", "kind", "expected"), CLASSES)
def test_a_layer_says_what_it_is_for_by_its_name_or_else_by_its_type(
    tmp_path: Path, name: str, kind: FileKind, expected: str
) -> None:
    weights = make_file(tmp_path, "model.gguf", FileKind.GGUF)
    package = pack_artifact("tiny", [make_file(tmp_path, name, kind), weights])

    assert package.blobs[0].descriptor.media_type == f"application/vnd.{expected}"


def test_what_we_write_we_read_as_it_was(tmp_path: Path) -> None:
    made = [
        make_file(tmp_path, name, kind)
        for name, kind, _ in CLASSES
        if kind not in (FileKind.SAFETENSORS, FileKind.GGUF)
    ]
    weights = make_file(tmp_path, "x.gguf", FileKind.GGUF)

    manifest = read_manifest(pack_artifact("tiny", [weights, *made]))
    contents = read_contents(manifest, ModelFormat.GGUF, name="x")

    assert contents.archives == ()
    assert [(layer.name, layer.kind) for layer in contents.files] == [
        (local.file.name, local.file.kind) for local in (weights, *made)
    ]


def test_code_is_said_to_be_code(tmp_path: Path) -> None:
    code = make_file(tmp_path, "modeling.py", FileKind.OTHER)
    weights = make_file(tmp_path, "x.safetensors", FileKind.SAFETENSORS)

    package = pack_artifact("tiny", [weights, code])

    assert package.blobs[1].descriptor.media_type == "application/vnd.cncf.model.code.v1.raw"
    assert read_config(package)["config"] == {"format": "safetensors"}


# Images


def test_a_layer_has_the_files_where_upstream_looks_for_them(
    files: tuple[LocalFile, ...],
) -> None:
    layer = model_layer("tiny", files)

    with tarfile.open(fileobj=io.BytesIO(b"".join(layer.blocks()))) as archive:
        members = archive.getmembers()
        contents = {
            member.name: stream.read()
            for member in members
            if member.isfile() and (stream := archive.extractfile(member))
        }
    assert [member.name for member in members] == [
        "models",
        "models/tiny",
        "models/tiny/Q8",
        "models/tiny/a",
        "models/tiny/LICENSE",
        "models/tiny/Q8/tiny-00001-of-00002.gguf",
        "models/tiny/Q8/tiny-00002-of-00002.gguf",
        "models/tiny/a/config.json",
        "models/tiny/mmproj-F16.gguf",
        "models/model.file",
    ]
    assert members[-1].linkname == "tiny/Q8/tiny-00001-of-00002.gguf"
    assert contents == {
        f"models/tiny/{local.file.name}": local.path.read_bytes() for local in files
    }
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, "", "")}
    assert {oct(m.mode) for m in members} == {"0o755", "0o644", "0o777"}


def test_a_layer_is_the_same_to_the_byte_whatever_the_order_of_its_small_files(
    files: tuple[LocalFile, ...],
) -> None:
    one, other = model_layer("tiny", files), model_layer("tiny", (*files[:2], *files[:1:-1]))

    assert one.digest() == other.digest()
    assert one.digest().hex == "d7de7e71f6edf2f10f57207635433bdef202fda2d9c6c40c0a762a9ca09b00cd"
    assert one.size == len(b"".join(one.blocks()))
    assert one.size % 512 == 0


def test_long_names_and_large_files_get_headers_that_say_so(tmp_path: Path) -> None:
    name = f"{'d' * 120}/{'é' * 100}.gguf"
    local = make_file(tmp_path, name, FileKind.GGUF, b"GGUF")
    large = StoredFile(
        name="large.gguf", kind=FileKind.GGUF, digest=local.file.digest, size=9 * 1024**3
    )

    layer = model_layer("tiny", [local])
    with tarfile.open(fileobj=io.BytesIO(b"".join(layer.blocks()))) as archive:
        assert f"models/tiny/{name}" in archive.getnames()
        assert archive.getmember("models/model.file").linkname == f"tiny/{name}"
    huge = model_layer("tiny", [LocalFile(file=large, path=local.path)])
    assert huge.size > large.size
    header = b"".join(part for part in huge.parts if isinstance(part, bytes))
    assert b"size=9663676416\n" in header


def test_a_raw_image_is_one_layer_with_a_label(files: tuple[LocalFile, ...]) -> None:
    package = pack_image(PushKind.RAW, "tiny", files)

    manifest = read_manifest(package)
    layer = model_layer("tiny", files)
    assert is_image(manifest)
    assert [found.digest for found in manifest.layers] == [layer.digest()]
    assert manifest.layers[0].media_type == "application/vnd.oci.image.layer.v1.tar"
    assert manifest.artifact_type == ""
    assert read_config(package) == {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"org.containers.type": "ai.image.model.raw"}},
        "rootfs": {"type": "layers", "diff_ids": [str(layer.digest())]},
        "history": [
            {
                "created": "1970-01-01T00:00:00Z",
                "created_by": "ramalama push --type raw: models/tiny",
            }
        ],
        "created": "1970-01-01T00:00:00Z",
    }
    assert holds_model(b"".join(package.blobs[-1].content.blocks()))


def make_base(config: dict[str, object]) -> BaseImage:
    content = Content((b"a layer",))
    descriptor = Descriptor(
        media_type="application/vnd.oci.image.layer.v1.tar+gzip",
        digest=content.digest(),
        size=content.size,
    )
    return BaseImage(
        config=config, layers=(Blob(name="base", descriptor=descriptor, content=content),)
    )


def test_a_car_is_its_base_and_the_model_on_top(files: tuple[LocalFile, ...]) -> None:
    base = make_base(
        {
            "architecture": "arm64",
            "os": "linux",
            "variant": "v8",
            "created": "2026-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/bin"], "Labels": {"vendor": "x"}, "Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]},
            "history": [{"created_by": "base"}],
        }
    )

    package = pack_image(PushKind.CAR, "tiny", files, base)

    manifest, config = read_manifest(package), read_config(package)
    layer = model_layer("tiny", files)
    assert manifest.layers[0] == base.layers[0].descriptor
    assert manifest.layers[1].digest == layer.digest()
    assert package.blobs[0] is base.layers[0]
    assert config == {
        **base.config,
        "config": {
            "Env": ["PATH=/bin"],
            "Labels": {"vendor": "x", "org.containers.type": "ai.image.model.car"},
            "Cmd": ["/bin/sh"],
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64, str(layer.digest())]},
        "history": [
            {"created_by": "base"},
            {
                "created": "1970-01-01T00:00:00Z",
                "created_by": "ramalama push --type car: models/tiny",
            },
        ],
    }


@pytest.mark.parametrize(
    "odd",
    [
        {"config": None, "history": None, "rootfs": {"diff_ids": ["sha256:" + "1" * 64]}},
        {"config": {"Labels": None}, "rootfs": {"diff_ids": ["sha256:" + "1" * 64]}},
    ],
)
def test_a_base_without_settings_gets_them(
    files: tuple[LocalFile, ...], odd: dict[str, object]
) -> None:
    config = read_config(pack_image(PushKind.CAR, "tiny", files, make_base(odd)))

    assert config["config"] == {"Labels": {"org.containers.type": "ai.image.model.car"}}
    assert config["created"] == "1970-01-01T00:00:00Z"
