"""Short names from files, and suggestions for mistyped ones."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ramalama
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.shortnames import Resolved, Shortnames, suggest

OURS = Path(ramalama.__file__).with_name("models") / "reference/shortnames.conf"
USR = "usr/share/ramalama/shortnames.conf"
LOCAL = "usr/local/share/ramalama/shortnames.conf"
ETC = "etc/ramalama/shortnames.conf"
DATA = "home/.local/share/ramalama/shortnames.conf"
CONFIG = "home/.config/ramalama/shortnames.conf"


def write(root: Path, name: str, *lines: str) -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(["[shortnames]", *lines, ""]), encoding="utf-8")
    return file


def load(root: Path, **env: str) -> Shortnames:
    return Shortnames.load(env, root / "home", root)


def test_a_short_name_stands_for_a_reference_and_says_which_file_has_it(tmp_path: Path) -> None:
    file = write(tmp_path, ETC, '"mine" = "hf://me/mine"')

    assert load(tmp_path).resolve("mine") == Resolved(reference="hf://me/mine", source=file)


def test_what_is_no_short_name_stays_as_it_is(tmp_path: Path) -> None:
    assert load(tmp_path).resolve("Smollm2") == Resolved(reference="Smollm2")


@pytest.mark.parametrize("typed", ["Mine:7B", "mine:7b", "MINE:7B"])
def test_short_names_have_no_letter_case(typed: str, tmp_path: Path) -> None:
    write(tmp_path, ETC, '"mInE:7b" = "hf://me/Mine"')

    assert load(tmp_path).resolve(typed).reference == "hf://me/Mine"


def test_the_users_file_wins_over_the_systems_and_that_over_ours(tmp_path: Path) -> None:
    expected = [OURS]
    for name in (USR, LOCAL, ETC, DATA, CONFIG):
        expected.append(write(tmp_path, name, f'"granite" = "hf://{Path(name).parts[1]}/m"'))

        names = load(tmp_path)

        assert names.resolve("granite").source == expected[-1]
        assert list(names.files) == expected


def test_xdg_directories_are_the_users(tmp_path: Path) -> None:
    file = write(tmp_path, "x/ramalama/shortnames.conf", '"mine" = "hf://me/mine"')

    assert load(tmp_path, XDG_CONFIG_HOME=str(tmp_path / "x")).resolve("mine").source == file
    assert load(tmp_path, XDG_DATA_HOME=str(tmp_path / "x")).resolve("mine").source == file


def test_no_file_of_the_current_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = '"granite" = "hf://evil/granite"'
    for name in ("shortnames.conf", "shortnames/shortnames.conf", "ramalama/shortnames.conf"):
        write(tmp_path / "cloned", name, evil)
    write(tmp_path / "cloned", "x/ramalama/shortnames.conf", evil)
    monkeypatch.chdir(tmp_path / "cloned")

    names = load(tmp_path, XDG_CONFIG_HOME=".", XDG_DATA_HOME="x")

    assert names.files == (OURS,)


@pytest.mark.parametrize(
    ("line", "name", "target"),
    [
        ('"a" = "hf://o/r"', "a", "hf://o/r"),
        ("  'a'='hf://o/r'  ", "a", "hf://o/r"),
        ("a = hf://o/r", "a", "hf://o/r"),
        ('"ibm/granite:2b" = "ollama://granite3.3:2b"', "ibm/granite:2b", "ollama://granite3.3:2b"),
        ('"a" = "https://h/m?x=1"', "a", "https://h/m?x=1"),
        ('"a" = "file:///models/m.gguf"', "a", "file:///models/m.gguf"),
        ('"a" = "/models/m.gguf"', "a", "/models/m.gguf"),
        ('"a" = "~/m.gguf"', "a", "~/m.gguf"),
    ],
)
def test_a_line_is_read_with_and_without_quotation_marks(
    line: str, name: str, target: str, tmp_path: Path
) -> None:
    write(tmp_path, ETC, line)

    names = load(tmp_path)

    assert names.resolve(name).reference == target
    assert names.warnings == ()


def test_comments_empty_lines_and_other_sections_mean_nothing(tmp_path: Path) -> None:
    write(
        tmp_path, ETC, "# a = hf://o/r", "; b = hf://o/r", "", "[other]", "nonsense", "c=hf://o/r"
    )

    names = load(tmp_path)

    assert names.entries == Shortnames.load({}, tmp_path / "empty", tmp_path / "nothing").entries
    assert names.warnings == ()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("nonsense", 'expected "NAME" = "REFERENCE"'),
        ("= hf://o/r", "'' is not 1 to 1024 printable characters"),
        ("a =", "'' is not 1 to 1024 printable characters"),
        ('"" = ""', "'' is not 1 to 1024 printable characters"),
        ("a\x1b[31m = hf://o/r", r"'a\x1b[31m' is not 1 to 1024 printable characters"),
        ("a = hf://o/\u202er", r"'hf://o/\u202er' is not 1 to 1024 printable characters"),
        ("a" * 2000 + "= hf://o/r", "is not 1 to 1024 printable characters"),
        ("a = granite", "'granite' is not a full reference"),
        ("a = a", "'a' is not a full reference"),
        ("a = org/repo", "'org/repo' is not a full reference"),
        ("a = ./m.gguf", "'./m.gguf' is not a full reference"),
        ("hf://o/r = hf://evil/r", "'hf://o/r' is a reference already"),
        ("/models/m.gguf = hf://evil/r", "'/models/m.gguf' is a reference already"),
        ("./m.gguf = hf://evil/r", "'./m.gguf' is a reference already"),
        ("~/m.gguf = hf://evil/r", "'~/m.gguf' is a reference already"),
        ("file:m = hf://evil/r", "'file:m' is a reference already"),
    ],
)
def test_a_line_that_makes_no_sense_is_a_warning_with_file_and_line_and_no_more(
    line: str, complaint: str, tmp_path: Path
) -> None:
    file = write(tmp_path, ETC, "# first", line, '"good" = "hf://me/good"')

    names = load(tmp_path)

    (warning,) = names.warnings
    assert warning.startswith(f"{file}:3: ")
    assert complaint in warning
    assert warning.isprintable()
    assert names.resolve("good").reference == "hf://me/good"


def test_a_file_of_another_kind_gives_a_few_warnings_and_no_flood(tmp_path: Path) -> None:
    write(tmp_path, ETC, *["nonsense"] * 5000)

    warnings = load(tmp_path).warnings

    assert len(warnings) == 11
    assert warnings[-1].endswith("4990 more lines are not valid")


def test_a_file_that_is_not_text_or_far_too_long_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, USR, '"a" = "hf://o/r"').write_bytes(b"[shortnames]\na = hf://o/\xff")
    write(tmp_path, ETC, '"b" = "hf://o/r"', *["#" * 99] * 12_000)

    names = load(tmp_path)

    assert [text.partition(":")[0] for text in names.warnings] == [
        f"cannot read {tmp_path / USR}",
        f"{tmp_path / ETC} is longer than 1048576 bytes and was ignored",
    ]
    assert names.files == (OURS, tmp_path / USR, tmp_path / ETC)
    assert names.resolve("b").source is None


def test_a_directory_or_a_pipe_of_that_name_is_no_file(tmp_path: Path) -> None:
    (tmp_path / ETC).mkdir(parents=True)
    (tmp_path / USR).parent.mkdir(parents=True)
    os.mkfifo(tmp_path / USR)

    assert load(tmp_path).files == (OURS,)


@given(st.binary())
def test_no_content_of_a_file_is_more_than_a_warning(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = write(Path(directory), ETC)
        file.write_bytes(b"[shortnames]\n" + content)

        names = load(Path(directory))

    assert all(warning.isprintable() for warning in names.warnings)


def test_what_we_ship_has_no_fault_and_means_models(tmp_path: Path) -> None:
    names = load(tmp_path)

    assert names.warnings == ()
    for entry in names.entries.values():
        assert entry.source == OURS
        assert entry.target.startswith(f"{ModelRef.parse(entry.target).scheme}://")


@pytest.mark.parametrize("name", ["granite", "merlinite"])
def test_the_names_of_the_manual_page_are_known(name: str, tmp_path: Path) -> None:
    assert load(tmp_path).resolve(name).source == OURS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("granit", ("granite", "Granite-Code")),
        ("GRANITE", ("granite", "Granite-Code")),
        ("merlinit", ("merlinite",)),
        ("smol", ("smolvlm", "smollm2:135m")),
        ("tinny", ("tiny",)),
        ("zzz", ()),
        ("", ()),
    ],
)
def test_the_nearest_known_names_are_suggested(text: str, expected: tuple[str, ...]) -> None:
    known = ["tiny", "granite", "Granite-Code", "merlinite", "smollm2:135m", "smolvlm"]

    assert suggest(text, known) == expected


def test_at_most_three_names_are_suggested() -> None:
    assert suggest("model", [f"model{i}" for i in range(100)]) == ("model0", "model1", "model2")


@pytest.mark.parametrize("first", ["[shortnames]", "[shortnames] # mine", "[shortnames]  ; mine"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_and_a_comment_after_the_section_change_nothing(
    tmp_path: Path, mark: bytes, first: str
) -> None:
    write(tmp_path, ETC).write_bytes(mark + f"{first}\nmine = hf://me/mine\n".encode())
    names = load(tmp_path)

    assert names.resolve("mine").reference == "hf://me/mine"
    assert names.warnings == ()


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("mine = hf://me/mine", "1: expected [shortnames] before the first short name"),
        ("\n# mine\n\nmine = hf://me/mine", "4: expected [shortnames] before the first"),
        ("[ShortNames]\nmine = hf://me/mine", "1: [ShortNames] is ignored; write [shortnames]"),
    ],
)
def test_short_names_outside_of_their_section_are_ignored_with_a_warning(
    tmp_path: Path, text: str, warning: str
) -> None:
    file = write(tmp_path, ETC)
    file.write_text(text)
    names = load(tmp_path)

    assert names.resolve("mine").reference == "mine"
    assert [f"{file}:{warning}" in each for each in names.warnings] == [True]
