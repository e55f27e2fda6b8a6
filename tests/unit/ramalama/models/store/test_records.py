"""Records of models are read as they were written, and invalid files do no harm."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.errors import StoreError
from ramalama.models.formats.model_files import FileKind
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.records import ModelRecord, Records, StoredFile, read_record
from tests.unit.ramalama.models.store.filled import (
    HUB,
    OLLAMA,
    PULLED,
    digest_of,
    files_below,
    record,
)

if TYPE_CHECKING:
    from pathlib import Path

FILE = StoredFile(
    name="Q8/t.gguf", kind=FileKind.GGUF, digest=digest_of(b"weights"), size=7 * 2**40
)
RECORD = ModelRecord(
    reference=OLLAMA,
    files=(FILE, replace(FILE, name="system", kind=FileKind.SYSTEM, size=0)),
    pulled=datetime(2026, 11, 22, 20, 0, 0, 123456, tzinfo=UTC),
    revision="sha256:0123",
    extra={"license": "Apache-2.0\n…", "": ""},
)


FIELDS = {
    "version": 1,
    "reference": {"scheme": "ollama", "location": "library/smollm2", "tag": "135m"},
    "revision": None,
    "pulled": "2026-11-22T20:00:00+00:00",
    "extra": {},
    "files": [{"name": "t.gguf", "kind": "gguf", "sha256": FILE.digest.hex, "size": 7}],
}


def only_note(base: Path) -> Path:
    (path,) = (base / "refs2").rglob("*.json")
    return path


@pytest.mark.parametrize(
    "model",
    [
        RECORD,
        record(FILE),
        record(FILE, reference=ModelRef(Scheme.HTTP, "[::1]:80/a?b=c", "sha256:" + "0" * 64)),
        record(FILE, reference=ModelRef(Scheme.FILE, "/na\udcefve/" + "x" * 4000)),
        replace(RECORD, pulled=PULLED.astimezone(timezone(timedelta(hours=2)))),
        record(*(replace(FILE, name=kind, kind=kind) for kind in FileKind)),
    ],
)
def test_a_note_reads_as_it_was_written(tmp_path: Path, model: ModelRecord) -> None:
    Records(tmp_path).write(model)

    assert Records(tmp_path).find(model.reference) == model
    assert list(Records(tmp_path).all()) == [model]
    assert list(Records(tmp_path).all_or_nothing()) == [model]


def test_a_reference_has_one_note(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.write(RECORD)
    newer = replace(RECORD, revision="newer")
    records.write(newer)

    assert list(records.all()) == [newer]


@pytest.mark.parametrize(
    ("noted", "asked", "same"),
    [
        (("acme/t", "q8_0"), ("acme/t", "Q8_0"), True),
        (("acme/t", "latest"), ("acme/t", ""), True),
        (("acme/t", ""), ("acme/t", "Q8_0"), False),
        (("acme/t", ""), ("Acme/t", ""), False),
        (("acme/t@v1", ""), ("acme/t", ""), False),
    ],
)
def test_a_quantisation_has_no_letter_case(
    tmp_path: Path, noted: tuple[str, str], asked: tuple[str, str], *, same: bool
) -> None:
    Records(tmp_path).write(record(FILE, reference=ModelRef(Scheme.HUGGINGFACE, *noted)))

    found = Records(tmp_path).find(ModelRef(Scheme.HUGGINGFACE, *asked))

    assert (found is not None) is same


def test_a_tag_of_ollamas_has_letter_case(tmp_path: Path) -> None:
    Records(tmp_path).write(record(FILE, reference=replace(OLLAMA, tag="8b-Q4")))

    assert Records(tmp_path).find(replace(OLLAMA, tag="8B-q4")) is None


SOME = [
    ModelRef(scheme, location, tag)
    for scheme in (Scheme.OLLAMA, Scheme.HTTP, Scheme.HTTPS)
    for location in ("a", "A", "a/b", "ab", "a:b", "a?b", "x" * 4000)
    for tag in ("", "b", "B", "a/b")
]


def test_references_that_differ_have_notes_that_differ_even_where_case_is_ignored(
    tmp_path: Path,
) -> None:
    for reference in SOME:
        Records(tmp_path).write(record(FILE, reference=reference))

    assert {model.reference for model in Records(tmp_path).all()} == set(SOME)
    assert len({path.lower() for path in files_below(tmp_path)}) == len(SOME)
    assert all(Records(tmp_path).find(reference) is not None for reference in SOME)


def test_a_removed_note_is_gone(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.write(RECORD)

    assert records.remove(OLLAMA)
    assert not records.remove(OLLAMA)
    assert records.find(OLLAMA) is None
    assert files_below(tmp_path) == set()


def test_a_note_is_json_as_documented(tmp_path: Path) -> None:
    note = tmp_path / "note.json"
    note.write_text(json.dumps(FIELDS))

    assert read_record(note) == record(replace(FILE, name="t.gguf", size=7))


def test_a_note_under_anothers_name_is_not_believed(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.write(RECORD)
    note = only_note(tmp_path)
    content = note.read_text()
    note.write_text(content.replace("smollm2", "evil"))

    assert records.find(OLLAMA) is None


BROKEN = [
    b"",
    b"{",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"[" * 100_000,
    b'{"version": 1}',
    b"1" * 5000,
]


@pytest.mark.parametrize("content", BROKEN)
def test_an_invalid_record_is_no_model_and_prevents_the_removal_of_files(
    tmp_path: Path, content: bytes
) -> None:
    records = Records(tmp_path)
    records.write(RECORD)
    note = only_note(tmp_path)
    records.write(record(FILE, reference=HUB))
    note.write_bytes(content)

    assert records.find(OLLAMA) is None
    assert [model.reference for model in records.all()] == [HUB]
    with pytest.raises(StoreError, match=rf"{note.name}.*; remove that file if no other version"):
        list(records.all_or_nothing())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 2),
        ("version", "1"),
        ("reference", None),
        ("reference", {"scheme": "gopher", "location": "a", "tag": ""}),
        ("reference", {"scheme": "hf", "location": 1, "tag": ""}),
        ("reference", {"scheme": "hf", "location": "\ud800", "tag": ""}),
        ("revision", 5),
        ("pulled", "yesterday"),
        ("pulled", "2026-11-22T20:00:00"),
        ("pulled", 0),
        ("extra", []),
        ("extra", {"a": 1}),
        ("files", {}),
        ("files", []),
        ("files", [None]),
    ],
)
def test_a_note_with_a_field_that_makes_no_sense_is_refused_in_one_line(
    tmp_path: Path, field: str, value: object
) -> None:
    Records(tmp_path).write(RECORD)
    note = only_note(tmp_path)
    fields = json.loads(note.read_text())
    note.write_text(json.dumps({**fields, field: value}))

    with pytest.raises(StoreError) as caught:
        read_record(note)

    assert "\n" not in str(caught.value)
    assert str(note) in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "../../evil"),
        ("name", 1),
        ("kind", "virus"),
        ("sha256", "../../evil"),
        ("sha256", "0" * 63),
        ("size", -1),
        ("size", True),
        ("size", 1.5),
        ("size", None),
    ],
)
def test_a_note_of_a_file_that_makes_no_sense_is_refused(
    tmp_path: Path, field: str, value: object
) -> None:
    Records(tmp_path).write(RECORD)
    note = only_note(tmp_path)
    fields = json.loads(note.read_text())
    fields["files"][1][field] = value
    note.write_text(json.dumps(fields))

    with pytest.raises(StoreError, match="is not the record of a model"):
        read_record(note)


def test_a_note_of_an_absurd_number_of_files_is_refused_before_they_are_looked_at(
    tmp_path: Path,
) -> None:
    note = tmp_path / "long.json"
    note.write_text(json.dumps({**FIELDS, "files": [0] * 60_000}))

    with pytest.raises(StoreError, match="it has no list of files"):
        read_record(note)


def test_a_note_of_absurd_length_is_not_read(tmp_path: Path) -> None:
    note = tmp_path / "long.json"
    with note.open("wb") as file:
        file.truncate(17 * 1024 * 1024)

    with pytest.raises(StoreError, match="is longer than 16777216 bytes"):
        read_record(note)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(value=json_values, field=st.sampled_from(["reference", "files", "pulled", "extra"]))
def test_no_json_does_more_than_be_refused(
    tmp_path_factory: pytest.TempPathFactory, value: object, field: str
) -> None:
    note = tmp_path_factory.mktemp("base") / "note.json"
    note.write_text(json.dumps({**FIELDS, field: value}))

    with suppress(StoreError):
        read_record(note)
