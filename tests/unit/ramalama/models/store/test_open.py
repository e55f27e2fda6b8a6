"""What a model's author meant it to have, as far as it makes sense."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.errors import ModelUnsupported, StoreError
from ramalama.models.formats.model_files import FileKind
from ramalama.models.reference.reference import ModelRef
from ramalama.models.store.open import describe_model, open_model
from ramalama.models.store.records import StoredFile
from ramalama.runtimes import find_runtime
from ramalama_accel.runtime_name import RuntimeName
from tests.unit.ramalama.models.store.filled import digest_of, record

if TYPE_CHECKING:
    from ramalama.models.store.stored_model import StoredModel

REFERENCE = ModelRef.parse("hf://acme/tiny")
CHATML = b"<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>"
KEY = b"tokenizer.chat_template"


def gguf(*, template: bool) -> bytes:
    head = struct.pack("<4sIQQ", b"GGUF", 3, 0, 1)
    key = KEY if template else b"general.name"
    return head + struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, 2) + b"{}"


def open_with(directory: Path, *files: tuple[FileKind, bytes]) -> StoredModel:
    """Open a model of these files, which are called by their kinds and their places."""
    stored: list[StoredFile] = []
    for number, (kind, content) in enumerate(((FileKind.GGUF, gguf(template=False)), *files)):
        name = f"{kind}{number}"
        (directory / name).write_bytes(content)
        stored.append(StoredFile(name=name, kind=kind, digest=digest_of(content), size=1))
    return open_model(record(*stored), directory)


def test_every_kind_of_file_has_its_use(tmp_path: Path) -> None:
    kinds = [FileKind.PROJECTOR, FileKind.PROJECTOR, FileKind.ADAPTER, FileKind.DRAFT]
    model = open_with(
        tmp_path,
        *((kind, b"GGUF") for kind in kinds),
        (FileKind.CHAT_TEMPLATE, b"{{ messages }}"),
        (FileKind.SYSTEM, b"Sei freundlich."),
        (FileKind.PARAMETERS, b'{"temperature": 0.2, "stop": ["<|im_end|>"], "num_ctx": 4096}'),
        (FileKind.MESSAGES, b'[{"role": "user", "content": "Hi"}]'),
        (FileKind.LICENSE, b"Apache-2.0"),
        (FileKind.OTHER, b"hello"),
    )

    assert model.weights == (tmp_path / "gguf0",)
    assert model.directory is None
    assert model.projectors == (tmp_path / "mmproj1", tmp_path / "mmproj2")
    assert model.adapters == (tmp_path / "adapter3",)
    assert model.draft == tmp_path / "draft4"
    assert model.chat_template == tmp_path / "chat_template5"
    assert model.system == "Sei freundlich."
    assert model.parameters == {"temperature": 0.2, "stop": ("<|im_end|>",), "num_ctx": 4096}
    assert model.messages == (("user", "Hi"),)


@pytest.mark.parametrize(
    ("in_weights", "jinja", "go", "name"),
    [
        (False, None, CHATML, "chatml"),
        (True, None, CHATML, None),
        (False, b"{{ messages }}", CHATML, None),
        (False, None, b"{{ .Prompt }}", None),
        (False, None, b"\xff<|im_start|><|im_end|>", "chatml"),
        (False, None, None, None),
    ],
)
def test_a_template_of_ollamas_counts_where_the_model_has_no_other(
    tmp_path: Path, *, in_weights: bool, jinja: bytes | None, go: bytes | None, name: str | None
) -> None:
    contents = {
        FileKind.GGUF: gguf(template=in_weights),
        FileKind.CHAT_TEMPLATE: jinja,
        FileKind.GO_TEMPLATE: go,
    }
    files: list[StoredFile] = []
    for kind, content in contents.items():
        if content is not None:
            (tmp_path / kind).write_bytes(content)
            files.append(StoredFile(name=kind, kind=kind, digest=digest_of(content), size=1))

    assert open_model(record(*files), tmp_path).template_name == name


def test_empty_weights_are_not_searched_for_a_template(tmp_path: Path) -> None:
    model = open_with(tmp_path, (FileKind.GO_TEMPLATE, CHATML))
    model.weights[0].write_bytes(b"")

    assert open_with(tmp_path, (FileKind.GO_TEMPLATE, CHATML)).template_name == "chatml"


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (b"", {}),
        (b"{", {}),
        (b"\xff", {}),
        (b"[]", {}),
        (b"[" * 100_000, {}),
        (b'{"temperature": NaN, "top_p": 1e999, "min_p": -Infinity, "seed": 1}', {"seed": 1}),
        (b'{"seed": ' + b"1" * 400 + b"}", {"seed": int("1" * 400)}),
        (b'{"seed": ' + b"1" * 100_000 + b"}", {}),
        (b'{"stop": ["a", 1], "num_ctx": null, "x": {"y": 1}, "penalize_newline": true}',
         {"penalize_newline": True}),
        (json.dumps({"stop": "x" * 5000}).encode(), {}),
        (json.dumps({"stop": ["x" * 5000]}).encode(), {}),
        (json.dumps({"stop": ["x"] * 300}).encode(), {}),
        (json.dumps({str(number): 1 for number in range(300)}).encode(), {}),
    ],
)  # fmt: skip
def test_parameters_that_make_no_sense_are_left_out(
    tmp_path: Path, content: bytes, read: dict[str, object]
) -> None:
    assert open_with(tmp_path, (FileKind.PARAMETERS, content)).parameters == read


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b"[1]",
        b"1" * 100_000,
        b'[{"role": "user"}]',
        b'[{"role": "root", "content": "x"}]',
        b'[{"role": [], "content": "x"}]',
        b'[{"role": "user", "content": 1}]',
        json.dumps([{"role": "user", "content": ""}] * 2000).encode(),
    ],
)
def test_a_conversation_that_makes_no_sense_is_none(tmp_path: Path, content: bytes) -> None:
    assert open_with(tmp_path, (FileKind.MESSAGES, content)).messages == ()


def test_a_prompt_of_absurd_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is longer than 1048576 bytes"):
        open_with(tmp_path, (FileKind.SYSTEM, b"x" * (1024 * 1024 + 1)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(value=json_values)
def test_no_json_breaks_a_model(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    content = json.dumps(value).encode()
    directory = tmp_path_factory.mktemp("model")

    model = open_with(directory, (FileKind.PARAMETERS, content), (FileKind.MESSAGES, content))

    assert all(
        isinstance(each, bool | int | float | str | tuple) for each in model.parameters.values()
    )
    assert all(isinstance(text, str) for message in model.messages for text in message)


def test_a_model_is_described_before_its_files_exist() -> None:
    names = {"a.gguf": FileKind.GGUF, "b.gguf": FileKind.DRAFT, "c.json": FileKind.OTHER}
    model = describe_model(REFERENCE, {Path(name): kind for name, kind in names.items()}, Path())

    assert model is not None
    assert (model.weights, model.directory) == ((Path("a.gguf"),), None)
    assert model.draft == Path("b.gguf")


def test_a_safetensors_model_is_described_as_a_directory() -> None:
    names = {"config.json": FileKind.OTHER, "model.safetensors": FileKind.SAFETENSORS}
    model = describe_model(REFERENCE, {Path(name): kind for name, kind in names.items()}, Path())

    assert model is not None
    assert (model.weights, model.directory) == ((Path("model.safetensors"),), Path())
    with pytest.raises(ModelUnsupported, match=r"hf://acme/tiny .* use --runtime vllm"):
        find_runtime(RuntimeName.LLAMA_CPP).check(model)
    find_runtime(RuntimeName.VLLM).check(model)


def test_what_has_no_weights_is_not_described() -> None:
    assert describe_model(REFERENCE, {Path("c.json"): FileKind.OTHER}, Path()) is None
