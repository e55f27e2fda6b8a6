"""What users type for a model: files of their own, and names that leave the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.errors import InvalidReference
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme, parse_transport

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


@pytest.mark.parametrize("text", ["granite.gguf", "models/granite.gguf", "hf.co/org/repo"])
@pytest.mark.parametrize("default", [Scheme.OLLAMA, Scheme.HUGGINGFACE, Scheme.OCI])
def test_no_server_is_told_the_name_of_a_file_that_is_here(
    text: str, default: Scheme, tmp_path: Path
) -> None:
    file = tmp_path / text
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()

    with pytest.raises(
        InvalidReference, match=rf"write \./{text} to use it, or name the transport$"
    ):
        ModelRef.parse(text, cwd=tmp_path, default=default)


def test_a_directory_here_does_not_stand_in_the_way_of_a_model_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "granite").mkdir()

    assert parse("granite", cwd=tmp_path) == ModelRef(Scheme.OLLAMA, "library/granite", "latest")


def test_a_transport_that_is_named_is_asked_whatever_files_are_here(tmp_path: Path) -> None:
    (tmp_path / "granite").touch()
    (tmp_path / "ollama:").mkdir()
    (tmp_path / "ollama:/granite").touch()

    assert parse("ollama://granite", cwd=tmp_path).scheme is Scheme.OLLAMA


@pytest.mark.parametrize(
    ("text", "default", "meant"),
    [
        ("granite", Scheme.OLLAMA, "ollama://library/granite:latest"),
        ("granite3.3:2b", Scheme.OLLAMA, "ollama://library/granite3.3:2b"),
        ("me/granite:2b", Scheme.OLLAMA, "ollama://me/granite:2b"),
        ("org/repo:Q4_K_M", Scheme.HUGGINGFACE, "hf://org/repo:Q4_K_M"),
        ("org/repo/f.gguf", Scheme.MODELSCOPE, "ms://org/repo/f.gguf"),
        ("granite", Scheme.OCI, "oci://docker.io/library/granite:latest"),
        ("quay.io/me/granite-code:1.0", Scheme.OLLAMA, "oci://quay.io/me/granite-code:1.0"),
        ("quay.io/me/granite-code:1.0", Scheme.HUGGINGFACE, "oci://quay.io/me/granite-code:1.0"),
        ("localhost/granite", Scheme.OLLAMA, "oci://localhost/granite:latest"),
        ("localhost:5000/granite", Scheme.OLLAMA, "oci://localhost:5000/granite:latest"),
        ("hf.co/org/repo", Scheme.OLLAMA, "hf://org/repo"),
        ("ollama.com/library/granite", Scheme.HUGGINGFACE, "ollama://library/granite:latest"),
    ],
)
def test_a_name_without_a_transport_is_the_default_ones_unless_it_begins_with_a_server(
    text: str, default: Scheme, meant: str
) -> None:
    assert str(ModelRef.parse(text, home=HOME, cwd=CWD, default=default)) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ollama://granite", "ollama://library/granite:latest"),
        ("OLLAMA://granite", "ollama://library/granite:latest"),
        ("huggingface://org/repo", "hf://org/repo"),
        ("modelscope://org/repo", "ms://org/repo"),
        ("docker://quay.io/me/m", "oci://quay.io/me/m:latest"),
        ("rlcr://granite:3.3", "oci://rlcr.io/ramalama/granite:3.3"),
        ("HTTPS://example.com/m.gguf", "https://example.com/m.gguf"),
    ],
)
def test_every_spelling_of_a_transport_means_the_same(text: str, meant: str) -> None:
    assert str(parse(text)) == meant


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "1 to 4096 printable characters"),
        ("gra\nnite", "1 to 4096 printable characters"),
        ("gra\x1b[31mnite", "1 to 4096 printable characters"),
        ("gra\u202enite", "1 to 4096 printable characters"),
        ("gra\udcefnite", "1 to 4096 printable characters"),
        ("a\0b", "1 to 4096 printable characters"),
        ("g" * 5000, "1 to 4096 printable characters"),
        (" granite", "there is a space before or after it"),
        ("granite ", "there is a space before or after it"),
        ("ftp://example.com/m.gguf", "there is no transport 'ftp', only ollama, hf, "),
        ("://granite", "there is no transport ''"),
        ("openai://gpt", "there is no transport 'openai'"),
    ],
)
def test_what_names_no_model_is_refused_with_the_reason_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse(text)

    assert reason in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text",
    [
        "https://me:hunter2@example.com/m.gguf",
        "https://hunter2@example.com/m.gguf",
        "https://me:hun/hunter2@example.com/m.gguf",
        "https://me:hunter2@huggingface.co/org/repo",
        "HTTPS://me:hunter2@example.com/m.gguf#sha256=0",
        "hf://me:hunter2@org/repo",
        "oci://me:hunter2@quay.io/m",
        "ollama://me:hunter2@localhost:5000/ns/m",
        "me:hunter2@quay.io/m",
        "hunter2@quay.io/m",
        "https:/me:hunter2@example.com/m.gguf",
        "ftp://me:hunter2@example.com/m.gguf",
        "https://example.com/m.gguf?token=hunter2",
        "https://example.com/m.gguf?a=1&X-Amz-Signature=hunter2",
        "https://example.com/m.gguf?Access_Token=hunter2#sha256=0",
        "https://huggingface.co/org/../blob/main/m.gguf?token=hunter2",
        "https://me:hunter2@example.com\n/m.gguf",
    ],
)
def test_a_password_is_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse(text)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com:8080/me@work/m.gguf",
        "http://[::1]:8080/m@2.gguf",
        "https://example.com/m.gguf?mail=me:you@work",
        "hf://org/repo@v1:Q4_K_M",
        f"oci://localhost:5000/m@sha256:{'0' * 64}",
        f"oci://m@sha256:{'0' * 64}",
    ],
)
def test_not_every_at_sign_ends_a_password(text: str) -> None:
    assert parse(text).location


@pytest.mark.parametrize("text", ["https://me:pw@example.com/m.gguf", "me:pw@quay.io/m"])
def test_who_gives_a_password_learns_where_it_belongs(text: str) -> None:
    with pytest.raises(InvalidReference, match=r"see `ramalama login`$"):
        parse(text)


@pytest.mark.parametrize(
    ("word", "scheme"),
    [
        ("ollama", Scheme.OLLAMA),
        ("huggingface", Scheme.HUGGINGFACE),
        ("HF", Scheme.HUGGINGFACE),
        ("modelscope", Scheme.MODELSCOPE),
        ("oci", Scheme.OCI),
    ],
)
def test_a_transport_with_names_of_its_own_can_be_the_default(word: str, scheme: Scheme) -> None:
    assert parse_transport(word) is scheme


@pytest.mark.parametrize("word", ["https", "file", "", "openai"])
def test_no_other_word_is_a_default_transport(word: str) -> None:
    with pytest.raises(ValueError, match=r"^one of ollama, hf, huggingface, "):
        parse_transport(word)


TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
WORDS = st.from_regex(r"[a-z0-9]+([._-][a-z0-9]+){0,2}", fullmatch=True)
PARTS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,20}", fullmatch=True)
FILES = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters=":/\\?#"), min_size=1
).filter(lambda name: name not in (".", ".."))
DIGESTS = st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)
HOSTS = st.sampled_from(["quay.io", "localhost:5000", "[::1]:80", "127.0.0.1"])
REFERENCES = st.one_of(
    st.builds("ollama://{}/{}:{}".format, PARTS, PARTS, TAGS),
    st.builds("ollama://{}/{}/{}:{}".format, HOSTS, PARTS, PARTS, TAGS),
    st.builds("hf://{}/{}:{}".format, PARTS, PARTS, TAGS),
    st.builds("hf://{}/{}/{}".format, PARTS, PARTS, FILES),
    st.builds("ms://{}/{}@{}/{}".format, PARTS, PARTS, TAGS, FILES),
    st.builds("oci://{}/{}:{}".format, HOSTS, WORDS, TAGS),
    st.builds("oci://{}/{}@{}".format, HOSTS, WORDS, DIGESTS),
    st.builds("https://{}/{}?{}".format, HOSTS, FILES, FILES),
    st.builds("http://{}/{}#sha256={:064x}".format, HOSTS, FILES, st.integers(0, 2**256 - 1)),
)


def parsed_or_refusal(text: str) -> ModelRef | str:
    try:
        return parse(text)
    except InvalidReference as exc:
        return str(exc)


@given(REFERENCES)
def test_what_is_written_of_a_reference_is_one_line_that_reads_the_same_anywhere(text: str) -> None:
    reference = parse(text)

    written = str(reference)

    assert ModelRef.parse(written, home=Path("/"), default=Scheme.OCI) == reference
    assert written.isprintable()


@given(REFERENCES)
def test_no_location_of_a_registry_leads_up(text: str) -> None:
    location = parse(text).location

    assert not {"..", "."} & set(location.split("/"))
    assert not location.startswith("/")


@given(st.text() | st.builds("{}://{}".format, st.sampled_from([*Scheme, "rlcr"]), st.text()))
def test_anything_else_is_a_reference_too_or_refused_in_one_line(text: str) -> None:
    result = parsed_or_refusal(text)

    assert str(result).isprintable()
    assert result == parsed_or_refusal(str(result)) or isinstance(result, str)


@pytest.mark.parametrize("text", ["file:", "file://", "/models/\0", "file:///a%00b"])
def test_what_cannot_be_a_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        parse(text)


def test_home_and_directory_are_the_processs_unless_given() -> None:
    assert ModelRef.parse("~/m") == ModelRef(Scheme.FILE, str(Path.home() / "m"))
    assert ModelRef.parse("./m") == ModelRef(Scheme.FILE, str(Path.cwd() / "m"))
