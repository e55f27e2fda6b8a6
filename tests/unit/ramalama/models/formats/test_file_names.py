"""Names of files: whatever a server calls them, they stay in their directory and apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.errors import ModelUnsupported
from ramalama.models.formats.model_files import FileKind, check_together, checked_name
from ramalama.models.store.records import ModelRecord, StoredFile
from ramalama.models.transports.base import RemoteFile, RemoteModel
from tests.unit.ramalama.models.store.filled import OLLAMA, PULLED, digest_of

ROOT = Path("/models/snapshot")


@pytest.mark.parametrize(
    "name",
    [
        "tiny.gguf",
        "Q8_0/tiny-Q8_0-00001-of-00002.gguf",
        "two words.gguf",
        "...",
        "..gguf",
        "-n.gguf",
        "naïve 🦭.gguf",
        "a:b,c=d",
        "a" * 255,
    ],
)
def test_the_name_of_a_file_stays_what_it_is(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/etc/passwd",
        "../evil",
        "a/../b",
        "a/./b",
        "a//b",
        "a/",
        "..\\evil",
        "C:\\evil",
        "nul\0byte",
        "new\nline",
        "\x1b[2J",
        "right\u202eto left",
        "half a pair \ud800",
        "not UTF-8 \udcef",
        "a" * 256,
        "🦭" * 64,
        "/".join(["a" * 100] * 11),
    ],
)
def test_a_name_that_is_none_is_refused_in_one_printable_line(name: str) -> None:
    with pytest.raises(ModelUnsupported, match="the model has a file") as caught:
        checked_name(name)

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


@given(st.text() | st.text("./\\a\0", max_size=12))
def test_no_name_leads_out_of_the_directory_it_is_joined_to(name: str) -> None:
    try:
        checked_name(name)
    except ModelUnsupported:
        return
    joined = ROOT / name

    assert ROOT in joined.parents
    assert ".." not in joined.parts
    assert str(joined) == f"{ROOT}/{name}"


@pytest.mark.parametrize(
    "names",
    [
        ("a.gguf", "b.gguf"),
        ("a/b", "a/c", "ab"),
        ("part-1", "part-10"),
        ("straße", "strasze"),
        (),
    ],
)
def test_names_that_can_lie_together_are_taken(names: tuple[str, ...]) -> None:
    check_together(names)


@pytest.mark.parametrize(
    "names",
    [
        ("a.gguf", "a.gguf"),
        ("Config.json", "config.json"),
        ("A/b", "a/B"),
        ("straße", "STRASSE"),
        ("naïve", "nai\u0308ve"),
        ("a", "a/b"),
        ("a/b", "A"),
        ("a/b/c", "x", "a"),
    ],
)
def test_a_name_that_would_hide_another_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ModelUnsupported, match="cannot coexist"):
        check_together(names)


@given(st.lists(st.text("aA/ä\u0308", min_size=1, max_size=5).map(lambda name: f"x{name}")))
def test_names_that_pass_make_as_many_files_even_where_case_is_ignored(names: list[str]) -> None:
    try:
        check_together(map(checked_name, names))
    except ModelUnsupported:
        return
    folded = {name.casefold() for name in names}

    assert len(folded) == len(names)
    assert not any(other.startswith(f"{name}/") for name in folded for other in folded)


def stored(name: str) -> StoredFile:
    return StoredFile(name=name, kind=FileKind.GGUF, digest=digest_of(b""), size=0)


def test_a_stored_file_and_a_remote_one_have_such_names_or_are_not_made() -> None:
    with pytest.raises(ModelUnsupported):
        stored("../evil")
    with pytest.raises(ModelUnsupported):
        RemoteFile(name="/evil", kind=FileKind.GGUF, blob=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] (the name is looked at, the blob is not)


def test_models_have_files_that_can_lie_together_or_are_not_made() -> None:
    one = stored("a.gguf")

    with pytest.raises(ModelUnsupported, match="cannot coexist"):
        ModelRecord(reference=OLLAMA, files=(one, stored("A.gguf")), pulled=PULLED)
    with pytest.raises(ModelUnsupported, match=r"ollama://library/smollm2:135m has no files"):
        ModelRecord(reference=OLLAMA, files=(), pulled=PULLED)
    remote = [
        RemoteFile(name=name, kind=FileKind.GGUF, blob=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] (as above)
        for name in ("a", "a/b")
    ]
    with pytest.raises(ModelUnsupported, match="cannot coexist"):
        RemoteModel(reference=OLLAMA, revision=None, files=remote)
