"""What users type for a model of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ramalama.errors import InvalidReference
from ramalama.reference import ModelRef, Scheme

HOME, CWD = Path("/home/me"), Path("/home/me/work")


def parse(text: str, *, cwd: Path = CWD) -> ModelRef:
    return ModelRef.parse(text, home=HOME, cwd=cwd)


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("/models/granite.gguf", "/models/granite.gguf"),
        ("./granite.gguf", "/home/me/work/granite.gguf"),
        ("../granite.gguf", "/home/me/granite.gguf"),
        ("~/granite.gguf", "/home/me/granite.gguf"),
        ("/models//old/../granite.gguf", "/models/granite.gguf"),
        (".", "/home/me/work"),
        ("..", "/home/me"),
        ("~", "/home/me"),
        ("/models/granite:1.0.gguf", "/models/granite:1.0.gguf"),
        ("./100%25.gguf", "/home/me/work/100%25.gguf"),
        ("./https://x", "/home/me/work/https:/x"),
    ],
)
def test_what_begins_like_a_path_is_a_file_of_this_machine(text: str, location: str) -> None:
    assert parse(text) == ModelRef(Scheme.FILE, location)


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("file:///data/mymodel", "/data/mymodel"),
        ("file://tmp/ai.model", "/home/me/work/tmp/ai.model"),
        ("file://localhost/data/mymodel", "/data/mymodel"),
        ("file:/data/mymodel", "/data/mymodel"),
        ("file:dir/mymodel", "/home/me/work/dir/mymodel"),
        ("file:mymodel", "/home/me/work/mymodel"),
        ("file:~/mymodel", "/home/me/mymodel"),
        ("file:///data/two%20words.gguf", "/data/two words.gguf"),
        ("file:///data/two words.gguf", "/data/two words.gguf"),
        ("file:///data/100%25.gguf", "/data/100%.gguf"),
        ("file:///data/100%.gguf", "/data/100%.gguf"),
        ("file:///data/%F0%9F%A6%AD.gguf", "/data/🦭.gguf"),
        ("file:///data/a%2Fb.gguf", "/data/a/b.gguf"),
        ("file:///data/what?.gguf#1", "/data/what?.gguf#1"),
        ("file:///data/localhost/m", "/data/localhost/m"),
    ],
)
def test_all_forms_of_file_urls_in_use_are_read(text: str, location: str) -> None:
    assert parse(text) == ModelRef(Scheme.FILE, location)


def test_a_name_that_is_not_utf_8_keeps_its_bytes() -> None:
    reference = parse("file:///data/na%EFve.gguf")

    assert os.fsencode(reference.location) == b"/data/na\xefve.gguf"


@pytest.mark.parametrize(
    "location",
    [
        "/models/granite.gguf",
        "/models/two words.gguf",
        "/models/100%25.gguf",
        "/models/🦭.gguf",
        "/models/new\nline.gguf",
        "/models/na\udcefve.gguf",
        "/models/what?#.gguf",
        "/localhost/granite.gguf",
    ],
)
def test_what_is_written_is_one_line_of_text_that_reads_the_same(location: str) -> None:
    reference = ModelRef(Scheme.FILE, location)

    written = str(reference)

    assert parse(written) == reference
    assert written.isprintable()


def test_names_stay_readable_when_written() -> None:
    assert str(parse("/models/my 🦭.gguf")) == "file:///models/my 🦭.gguf"


@pytest.mark.parametrize(
    "text",
    ["granite", "granite:7b", "ollama://granite", "hf://org/repo", "oci://quay.io/x", "~me/x"],
)
def test_a_model_of_a_registry_is_refused_with_what_works(text: str) -> None:
    with pytest.raises(InvalidReference, match=r"file:///PATH, /PATH or \./PATH"):
        parse(text)


def test_a_bare_name_of_an_existing_file_gets_the_hint_how_to_name_it(tmp_path: Path) -> None:
    (tmp_path / "granite.gguf").touch()

    with pytest.raises(InvalidReference, match=r"type \./granite\.gguf$"):
        parse("granite.gguf", cwd=tmp_path)


@pytest.mark.parametrize("text", ["", "file:", "file://", "/models/\0", "file:///a%00b", "a\0b"])
def test_what_cannot_be_a_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        parse(text)


def test_home_and_directory_are_the_processs_unless_given() -> None:
    assert ModelRef.parse("~/m") == ModelRef(Scheme.FILE, str(Path.home() / "m"))
    assert ModelRef.parse("./m") == ModelRef(Scheme.FILE, str(Path.cwd() / "m"))
