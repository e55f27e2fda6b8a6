"""Whatever tool made it, a manifest is read for what a server can use of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.model_files import FileKind
from ramalama.models.options import ModelFormat
from ramalama.models.transports.oci.manifests.classify import Contents, is_image, read_contents
from ramalama.models.transports.oci.manifests.manifest import Manifest, parse_manifest
from tests.doubles.oci_models import (
    DMR_CONFIG,
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    FILEPATH,
    IMAGE_CONFIG,
    IMAGE_LAYER,
    MODELPACK,
    MODELPACK_CONFIG,
    TITLE,
    Layer,
    Model,
    make_image,
    make_model,
)

OCTETS = "application/octet-stream"
CNCF = "application/vnd.cncf.model"
DMR = "application/vnd.docker.ai"
OLLAMA = "application/vnd.ollama.image"
GGUF, SAFETENSORS = ModelFormat.GGUF, ModelFormat.SAFETENSORS


def manifest(
    *layers: Layer, config: str = "application/vnd.oci.empty.v1+json", artifact_type: str = ""
) -> Manifest:
    made = make_model(layers, config=Layer(type=config, content=b"{}"), artifact_type=artifact_type)
    found = parse_manifest(made.manifest, name="m")
    assert isinstance(found, Manifest)
    return found


def layer(type_: str, name: str = "", *, by: str = TITLE, **more: str) -> Layer:
    annotations = {by: name} if name else {}
    return Layer(type=type_, content=f"{type_}{name}".encode(), annotations=annotations | more)


def files(contents: Contents) -> list[tuple[str, FileKind]]:
    return [(file.name, file.kind) for file in contents.files]


MADE = {
    "ModelPack": (
        manifest(
            layer(f"{CNCF}.doc.v1.raw", "README.md", by=FILEPATH),
            layer(f"{CNCF}.weight.v1.raw", "m-Q4_0.gguf", by=FILEPATH),
            layer(f"{CNCF}.weight.config.v1.raw", "config.json", by=FILEPATH),
            layer(f"{CNCF}.dataset.v1.raw", "data.bin", by=FILEPATH),
            layer(f"{CNCF}.code.v1.raw", "run.sh", by=FILEPATH),
            config=MODELPACK_CONFIG,
            artifact_type=MODELPACK,
        ),
        [
            ("m-Q4_0.gguf", FileKind.GGUF),
            ("README.md", FileKind.OTHER),
            ("config.json", FileKind.OTHER),
        ],
    ),
    "ModelPack with Docker's own types": (
        manifest(layer(f"{CNCF}.weight.v1.gguf"), config=MODELPACK_CONFIG),
        [("model.gguf", FileKind.GGUF)],
    ),
    "ModelPack with weights of no suffix": (
        manifest(layer(f"{CNCF}.weight.v1.raw", "smollm2", by=FILEPATH), config=MODELPACK_CONFIG),
        [("smollm2", FileKind.GGUF)],
    ),
    "podman artifact": (
        manifest(
            layer(OCTETS, "smollm2:135m"),
            layer("text/plain; charset=utf-8", "chat_template"),
            layer(OCTETS, "tokenizer.model"),
            artifact_type=MODELPACK,
        ),
        [
            ("smollm2:135m", FileKind.GGUF),
            ("chat_template", FileKind.OTHER),
            ("tokenizer.model", FileKind.OTHER),
        ],
    ),
    "ORAS": (
        manifest(
            layer(IMAGE_LAYER, "./sub/m.gguf"),
            layer(IMAGE_LAYER, "mmproj-F16.gguf"),
            layer(IMAGE_LAYER, "evil.py"),
            artifact_type="application/vnd.unknown.artifact.v1",
        ),
        [("sub/m.gguf", FileKind.GGUF), ("mmproj-F16.gguf", FileKind.PROJECTOR)],
    ),
    "Docker 0.1": (
        manifest(
            layer(f"{DMR}.license"),
            layer(f"{DMR}.gguf.v3"),
            layer(f"{DMR}.mmproj"),
            layer(f"{DMR}.chat.template.jinja"),
            layer(f"{DMR}.license", "", extra="second"),
            config=DMR_CONFIG,
        ),
        [
            ("model.gguf", FileKind.GGUF),
            ("LICENSE-1", FileKind.LICENSE),
            ("mmproj.gguf", FileKind.PROJECTOR),
            ("chat_template.jinja", FileKind.CHAT_TEMPLATE),
            ("LICENSE-2", FileKind.LICENSE),
        ],
    ),
    "Docker 0.1, split": (
        manifest(layer(f"{DMR}.gguf.v3"), layer(f"{DMR}.gguf.v3", "", part="2"), config=DMR_CONFIG),
        [
            ("model-00001-of-00002.gguf", FileKind.GGUF),
            ("model-00002-of-00002.gguf", FileKind.GGUF),
        ],
    ),
    "Docker 0.2": (
        manifest(
            layer(f"{DMR}.model.file", "config.json", by=FILEPATH),
            layer(f"{DMR}.safetensors", "model.safetensors", by=FILEPATH),
            config=DMR_CONFIG.replace("v0.1", "v0.2"),
        ),
        [("model.safetensors", FileKind.SAFETENSORS), ("config.json", FileKind.OTHER)],
    ),
    "a type that only says gguf": (
        manifest(layer("application/x-gguf")),
        [("model.gguf", FileKind.GGUF)],
    ),
    "Ollama": (
        manifest(
            layer(f"{OLLAMA}.model"),
            layer(f"{OLLAMA}.template"),
            layer(f"{OLLAMA}.params"),
            layer(f"{OLLAMA}.system"),
            layer(f"{OLLAMA}.adapter"),
            layer(f"{OLLAMA}.embed"),
            config=DOCKER_CONFIG,
        ),
        [
            ("model.gguf", FileKind.GGUF),
            ("template", FileKind.GO_TEMPLATE),
            ("params.json", FileKind.PARAMETERS),
            ("system", FileKind.SYSTEM),
            ("adapter.gguf", FileKind.ADAPTER),
        ],
    ),
    "names in metadata": (
        manifest(
            layer(
                OCTETS,
                json.dumps({"name": "m.gguf", "size": 7}),
                by="org.cncf.model.file.metadata+json",
            )
        ),
        [("m.gguf", FileKind.GGUF)],
    ),
    "metadata that makes no sense": (
        manifest(layer(f"{DMR}.gguf.v3", "[", by="org.cncf.model.file.metadata+json")),
        [("model.gguf", FileKind.GGUF)],
    ),
}


@pytest.mark.parametrize(("made", "expected"), MADE.values(), ids=MADE)
def test_the_files_of_each_kind_of_model_are_found(
    made: Manifest, expected: list[tuple[str, FileKind]]
) -> None:
    contents = read_contents(made, GGUF, name="oci://r/m:1")

    assert not is_image(made)
    assert files(contents) == expected
    assert contents.archives == ()


def test_the_path_of_a_model_pack_wins_over_the_title() -> None:
    made = manifest(layer(OCTETS, "title.gguf", **{FILEPATH: "path.gguf"}))

    assert files(read_contents(made, GGUF, name="m")) == [("path.gguf", FileKind.GGUF)]


@pytest.mark.parametrize(
    ("wanted", "expected"), [(GGUF, "m.gguf"), (SAFETENSORS, "model.safetensors")]
)
def test_where_there_is_a_choice_the_runtime_decides(wanted: ModelFormat, expected: str) -> None:
    made = manifest(
        layer(OCTETS, "config.json"),
        layer(OCTETS, "model.safetensors"),
        layer(OCTETS, "m.gguf"),
    )

    contents = read_contents(made, wanted, name="m")

    assert [file.name for file in contents.files] == [expected, "config.json"]


def test_where_there_is_no_choice_the_format_does_not_matter() -> None:
    made = manifest(layer(OCTETS, "m.gguf"))

    assert files(read_contents(made, SAFETENSORS, name="m")) == [("m.gguf", FileKind.GGUF)]


def test_one_of_several_models_is_taken_with_all_its_parts_in_order() -> None:
    names = ["a-00002-of-00002.gguf", "b.gguf", "a-00001-of-00002.gguf", "c-00001-of-00002.gguf"]
    made = manifest(*(layer(OCTETS, name) for name in names))

    contents = read_contents(made, GGUF, name="m")

    assert [file.name for file in contents.files] == [names[2], names[0]]


def test_a_part_that_is_missing_is_told() -> None:
    made = manifest(layer(OCTETS, "a-00001-of-00003.gguf"), layer(OCTETS, "a-00003-of-00003.gguf"))

    with pytest.raises(ModelUnsupported, match="lacks part 2 of 3 of a"):
        read_contents(made, GGUF, name="m")


@pytest.mark.parametrize(
    "packed",
    [
        layer(f"{CNCF}.weight.v1.tar", "weights", by=FILEPATH),
        layer(f"{CNCF}.weight.v1.tar+gzip"),
        layer(f"{CNCF}.weight.v1.tar+zstd"),
        layer(f"{DMR}.dir.tar"),
        layer(f"{DMR}.vllm.config.tar"),
        layer(f"{IMAGE_LAYER}+gzip", "directory", **{"io.deis.oras.content.unpack": "true"}),
    ],
    ids=lambda packed: packed.type,
)
def test_a_packed_directory_is_an_archive(packed: Layer) -> None:
    contents = read_contents(manifest(packed), GGUF, name="m")

    assert contents.files == ()
    assert [archive.media_type for archive in contents.archives] == [packed.type]
    assert contents.prefix == ""


def test_weights_beside_an_archive_come_first() -> None:
    made = manifest(
        layer(f"{DMR}.vllm.config.tar"),
        layer(f"{DMR}.license"),
        layer(f"{DMR}.safetensors"),
    )

    contents = read_contents(made, GGUF, name="m")

    assert [file.name for file in contents.files] == ["model.safetensors", "LICENSE"]
    assert len(contents.archives) == 1


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (manifest(), "m .*holds no GGUF or safetensors files"),
        (
            manifest(
                layer("application/vnd.cncf.helm.chart.content.v1.tar+gzip"),
                config="application/vnd.cncf.helm.config.v1+json",
            ),
            r"m \(an artifact of type 'application/vnd.cncf.helm.config.v1\+json'\) holds no GGUF",
        ),
        (manifest(layer(OCTETS, "a"), layer(OCTETS, "b")), "holds no GGUF"),
        (manifest(layer(OCTETS, "a.json")), "holds no GGUF"),
        (manifest(layer(OCTETS, "model.py")), "holds no GGUF"),
        (
            manifest(layer(f"{OLLAMA}.tensor"), config=DOCKER_CONFIG),
            "holds 'vnd.ollama.image.tensor', which only the tool that made it can run",
        ),
        (manifest(layer(f"{DMR}.dduf")), "holds 'vnd.docker.ai.dduf', which only the tool"),
    ],
)
def test_what_no_server_loads_is_refused_with_the_reason(made: Manifest, reason: str) -> None:
    with pytest.raises(ModelUnsupported, match=reason):
        read_contents(made, GGUF, name="m")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (make_image(b"tar"), True),
        (
            make_model(
                [Layer(type="application/vnd.docker.image.rootfs.diff.tar.gzip", content=b"")],
                config=Layer(type=DOCKER_CONFIG, content=b"{}"),
                type_=DOCKER_MANIFEST,
            ),
            True,
        ),
        (make_model([Layer(type=f"{IMAGE_LAYER}+gzip", content=b"")]), False),
        (
            make_model(
                [Layer(type=f"{OLLAMA}.model", content=b"")],
                config=Layer(type=DOCKER_CONFIG, content=b"{}"),
            ),
            False,
        ),
        (
            make_model(
                [Layer(type="x/y", content=b"")], config=Layer(type=IMAGE_CONFIG, content=b"{}")
            ),
            False,
        ),
    ],
    ids=["OCI", "Docker", "ORAS calls files layers", "Ollama", "layers of other types"],
)
def test_an_image_is_known_by_configuration_and_layers(made: Model, *, expected: bool) -> None:
    found = parse_manifest(made.manifest, name="m")
    assert isinstance(found, Manifest)

    assert is_image(found) == expected


TYPES = st.sampled_from(
    [OCTETS, f"{CNCF}.weight.v1.raw", f"{DMR}.gguf.v3", f"{OLLAMA}.model", f"{OLLAMA}.params", "x"]
)
NAMES = st.sampled_from(["", "m.gguf", "../../etc/passwd", "/abs.gguf", "a-00002-of-00003.gguf"])


@given(
    st.lists(st.builds(layer, TYPES, NAMES | st.text(max_size=8)), max_size=6),
    st.sampled_from(ModelFormat),
)
def test_any_layers_are_a_model_or_are_refused(layers: list[Layer], wanted: ModelFormat) -> None:
    made = manifest(*layers)
    try:
        contents = read_contents(made, wanted, name="m")
    except ModelUnsupported:
        return
    assert contents.files[0].kind in (FileKind.GGUF, FileKind.SAFETENSORS)
    assert all(file.descriptor in made.layers for file in contents.files)
