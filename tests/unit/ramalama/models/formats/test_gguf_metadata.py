"""All that stands before the weights, written by friend or foe."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.gguf_metadata import (
    ArrayOf,
    GGUFMetadata,
    HeaderCutOff,
    TensorInfo,
    parse_metadata,
    read_metadata,
)
from tests.unit.ramalama.models.formats.made_gguf import (
    ARRAY,
    STRING,
    array,
    gguf,
    scalar,
    string,
    tensor,
    text,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ramalama.models.formats.made_gguf import Entry, Order


def parse(content: bytes, *, size: int | None = None) -> GGUFMetadata:
    return parse_metadata(content, name="granite.gguf", size=size)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (0, 200), (1, -100), (2, 60000), (3, -30000), (4, 2**32 - 1), (5, -(2**31)), (6, 0.5),
        (7, True), (10, 2**64 - 1), (11, -(2**63)), (12, 0.1),
    ],
)  # fmt: skip
def test_every_type_of_number_is_read(kind: int, value: float, order: Order) -> None:
    content = gguf({"key": scalar(kind, value, order)}, order=order)

    assert parse(content).keys == {"key": value}


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        pytest.param(string("Granité 🦭"), "Granité 🦭", id="text"),
        pytest.param(string(b"\xff"), "\N{REPLACEMENT CHARACTER}", id="no UTF-8"),
        pytest.param(string(""), "", id="empty text"),
        pytest.param(array(4, [struct.pack("<I", n) for n in (4, 0, 8)]), (4, 0, 8), id="numbers"),
        pytest.param(array(4, []), (), id="no numbers"),
        pytest.param(array(STRING, [text("en"), text("de")]), ("en", "de"), id="few texts"),
        pytest.param(array(STRING, [text("a")] * 257), ArrayOf(STRING, 257), id="a vocabulary"),
        pytest.param(array(6, [bytes(4)] * 4097), ArrayOf(6, 4097), id="its scores"),
        pytest.param(
            array(ARRAY, [array(0, [b"\1"])[1]]), ArrayOf(ARRAY, 1), id="an array of arrays"
        ),
    ],
)
def test_texts_and_short_arrays_are_read_and_long_ones_stepped_over(
    entry: Entry, value: object
) -> None:
    metadata = parse(gguf({"odd": entry, "after": scalar(4, 7)}))

    assert metadata.keys == {"odd": value, "after": 7}


def test_the_tensors_are_listed_and_their_numbers_counted() -> None:
    content = gguf({}, [tensor("token_embd.weight", (576, 49152)), tensor("norm", (576,), 32)])

    metadata = parse(content)

    assert metadata.tensors == (
        TensorInfo("token_embd.weight", (576, 49152), 0, 0),
        TensorInfo("norm", (576,), 0, 32),
    )
    assert metadata.parameters == 576 * 49152 + 576
    assert metadata.size == len(content)


def test_a_key_is_found_under_its_own_name_and_the_architectures() -> None:
    keys = {
        "general.architecture": string("llama"),
        "llama.block_count": scalar(4, 30),
        "llama.causal": scalar(7, 1),
        "general.file_type": scalar(4, 3),
    }
    metadata = parse(gguf(keys))

    assert metadata.architecture == "llama"
    assert metadata.number("block_count") == 30
    assert metadata.number("general.file_type") == 3
    assert metadata.number("causal") is None
    assert metadata.number("context_length") is None


# As many layers, heads or tokens as no model has, in each of GGUF's types that can say so.
IMPOSSIBLE = [
    pytest.param(scalar(1, -1), id="i8"),
    pytest.param(scalar(3, -8195), id="i16"),
    pytest.param(scalar(5, -(2**31)), id="i32"),
    pytest.param(scalar(11, -(2**63)), id="i64"),
    pytest.param(scalar(11, 2**32), id="large i64"),
    pytest.param(scalar(10, 2**63), id="large u64"),
    pytest.param(scalar(7, 1), id="bool"),
    pytest.param(scalar(6, float("nan")), id="f32"),
    pytest.param(scalar(12, 8.0), id="f64"),
    pytest.param(string("8"), id="text"),
]


@pytest.mark.parametrize("entry", IMPOSSIBLE)
def test_a_number_of_things_that_cannot_be_is_none(entry: Entry) -> None:
    metadata = parse(gguf({"general.architecture": string("a"), "a.heads": entry, "n": entry}))

    assert metadata.number("n") is None
    assert metadata.number("heads") is None
    assert metadata.per_layer("heads", 3) == ()


@pytest.mark.parametrize("count", [0, 1, 2**32 - 1])
def test_a_number_of_things_may_be_of_any_whole_type(count: int) -> None:
    for kind in (4, 10, 11):
        metadata = parse(gguf({"general.architecture": string("a"), "a.n": scalar(kind, count)}))

        assert metadata.number("n") == count
        assert metadata.per_layer("n", 2) == (count, count)


@pytest.mark.parametrize(
    ("entry", "layers"),
    [
        (scalar(4, 8), (8, 8, 8)),
        (array(4, [struct.pack("<I", n) for n in (8, 0, 4)]), (8, 0, 4)),
        (array(4, [struct.pack("<I", n) for n in (8, 0)]), ()),
        (string("eight"), ()),
        (array(6, [struct.pack("<f", 8.0)] * 3), ()),
        (array(3, [struct.pack("<h", n) for n in (8, -1, 4)]), ()),
        (array(7, [b"\1"] * 3), ()),
    ],
)
def test_a_number_for_all_layers_is_one_for_each(entry: Entry, layers: tuple[int, ...]) -> None:
    metadata = parse(gguf({"general.architecture": string("a"), "a.heads": entry}))

    assert metadata.per_layer("heads", 3) == layers


def test_an_absurd_number_of_layers_has_no_number_for_each() -> None:
    metadata = parse(gguf({"general.architecture": string("a"), "a.heads": scalar(4, 8)}))

    assert metadata.per_layer("heads", 2**40) == ()


@pytest.mark.parametrize(
    ("content", "announced"),
    [
        pytest.param(gguf({}, key_count=2**60), "metadata keys", id="keys"),
        pytest.param(gguf({}, tensor_count=2**60), "tensors", id="tensors"),
        pytest.param(gguf({"k": (99, b"")}), "a value of type 99", id="type"),
        pytest.param(gguf({"k": (STRING, struct.pack("<Q", 2**63))}), "a text of", id="text"),
        pytest.param(gguf({"k": (ARRAY, struct.pack("<IQ", 99, 1))}), "array of type 99", id="of"),
        pytest.param(
            gguf({"k": (ARRAY, struct.pack("<IQ", STRING, 2**62))}), "strings", id="strings"
        ),
        pytest.param(gguf({"k": (ARRAY, struct.pack("<IQ", 10, 2**62))}), "bytes", id="elements"),
        pytest.param(gguf({"k": (ARRAY, struct.pack("<IQ", ARRAY, 2**62))}), "arrays", id="arrays"),
        pytest.param(
            gguf({"k": (ARRAY, struct.pack("<IQ", ARRAY, 1) * 9)}), "arrays within", id="nested"
        ),
        pytest.param(gguf({}, [tensor("t", (1,) * 5)]), "5 dimensions", id="rank"),
        pytest.param(gguf({}, [tensor("t", (1,), 2**40)]), "a tensor at byte", id="offset"),
    ],
)
def test_a_header_that_announces_what_cannot_be_is_refused(content: bytes, announced: str) -> None:
    with pytest.raises(ModelUnsupported, match=f"granite.gguf is corrupt: .* {announced}"):
        parse(content)


def test_a_header_that_is_cut_off_anywhere_asks_for_more() -> None:
    keys = {"a": string("text"), "b": array(STRING, [text("x")] * 300), "c": scalar(12, 1.0)}
    content = gguf(keys, [tensor("t", (3, 4))])

    for length in range(24, len(content)):
        with pytest.raises(HeaderCutOff, match="cut off within its header"):
            parse(content[:length], size=len(content))

    assert parse(content).size == len(content)


@given(st.binary(max_size=300))
def test_whatever_follows_the_magic_ends_in_a_value_or_a_refusal(noise: bytes) -> None:
    with suppress(ModelUnsupported):
        parse(b"GGUF" + struct.pack("<IQQ", 3, noise[0] if noise else 0, 3) + noise)


@given(st.data())
def test_a_changed_byte_ends_in_a_value_or_a_refusal(data: st.DataObject) -> None:
    keys = {"a": string("text"), "b": array(STRING, [text("x")] * 300), "c": array(4, [bytes(4)])}
    content = bytearray(gguf(keys, [tensor("t", (3, 4))]))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))

    with suppress(ModelUnsupported):
        parse(bytes(content))


def test_a_file_is_read_from_the_disk(tmp_path: Path) -> None:
    file = tmp_path / "granite.gguf"
    file.write_bytes(gguf({"general.name": string("granite")}) + bytes(1000))

    assert read_metadata(file).keys == {"general.name": "granite"}


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "granite.gguf"
    file.touch()

    with pytest.raises(ModelUnsupported, match="is empty"):
        read_metadata(file)
