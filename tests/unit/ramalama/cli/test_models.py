"""`pull`, `list`, `inspect`, `rm` and `gc` as their users see them; no engine is there."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from ramalama.cli import main
from tests.doubles.server import FileServer, serve_bytes
from tests.unit.ramalama.models.formats.made_gguf import array, gguf, scalar, string, tensor, text

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

Capture = pytest.CaptureFixture[str]

KEYS = {
    "general.architecture": string("llama"),
    "general.name": string("Granite\x1b[2J"),
    "llama.block_count": scalar(4, 30),
    "tokenizer.ggml.tokens": array(8, [text("a")] * 300),
    "tokenizer.chat_template": string("{{ messages }}\n" + "x" * 100),
}
MODEL = gguf(KEYS, [tensor("output.weight", (4, 8))]) + bytes(100_000)


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user without any settings, and without any engine."""
    for name in ("CONTAINER_HOST", "DOCKER_HOST", "RAMALAMA_CONFIG", "RAMALAMA_TRANSPORT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("RAMALAMA_STORE", str(tmp_path / "store"))


@pytest.fixture
def url() -> Generator[str]:
    with FileServer({"/granite.gguf": serve_bytes(MODEL)}) as server:
        yield f"{server.url}/granite.gguf"


@pytest.fixture
def pulled(url: str, capsys: Capture) -> str:
    assert main(["pull", "-q", url]) == 0
    capsys.readouterr()
    return url


def test_a_pull_says_on_stderr_what_it_does_and_on_stdout_what_came(
    url: str, capsys: Capture
) -> None:
    assert main(["pull", url]) == 0

    out, err = capsys.readouterr()
    assert out == f"{url}\n"
    assert err == f"Pulling {url} (1 file, 103 kB to fetch) …\nFetched granite.gguf (103 kB)\n"


def test_a_quiet_pull_says_the_reference_alone(url: str, capsys: Capture) -> None:
    assert main(["pull", "--quiet", url]) == 0

    assert capsys.readouterr() == (f"{url}\n", "")


def test_what_there_is_not_is_one_line_and_an_exit_code(url: str, capsys: Capture) -> None:
    assert main(["pull", url.replace("granite", "basalt")]) == 22

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1


def test_a_dry_run_of_a_pull_pulls_nothing(url: str, capsys: Capture) -> None:
    assert main(["pull", "--dryrun", url]) == 0

    assert capsys.readouterr().err == f"would do: ramalama pull {url}\n"
    assert main(["rm", url]) == 2


def test_a_list_is_a_table(pulled: str, capsys: Capture) -> None:
    assert main(["ls"]) == 0

    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["SHORTNAME", "NAME", "MODIFIED", "SIZE"]
    assert row.split()[0] == pulled
    assert row.endswith("ago  100.68 KB")


def test_a_list_in_json_has_upstreams_keys(pulled: str, tmp_path: Path, capsys: Capture) -> None:
    conf = tmp_path / "home/ramalama/shortnames.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(f'[shortnames]\n"mine" = "{pulled}"\n')

    assert main(["list", "--json"]) == 0

    (record,) = json.loads(capsys.readouterr().out)
    assert record.keys() == {"shortname", "name", "modified", "size"}
    assert (record["shortname"], record["name"], record["size"]) == ("mine", pulled, len(MODEL))
    assert datetime.fromisoformat(record["modified"]).tzinfo is not None


def test_a_short_name_is_shown_however_its_target_is_spelled(
    pulled: str, tmp_path: Path, capsys: Capture
) -> None:
    conf = tmp_path / "home/ramalama/shortnames.conf"
    conf.parent.mkdir(parents=True)
    spelled = pulled.replace("http://", "HTTP://")
    conf.write_text(f'[shortnames]\n"other" = "hf://org/other"\n"Mine" = "{spelled}"\n')

    assert main(["list", "--noheading"]) == 0

    assert capsys.readouterr().out.startswith(f"mine  {pulled}  ")


def test_a_quiet_list_is_names(pulled: str, capsys: Capture) -> None:
    assert main(["list", "-q"]) == 0

    assert capsys.readouterr().out == f"{pulled}\n"


@pytest.mark.parametrize(
    ("options", "order"),
    [
        (["--order", "asc"], ["a", "b"]),
        ([], ["b", "a"]),
        (["--sort", "size"], ["a", "b"]),
        (["--sort", "modified", "--order", "asc"], ["b", "a"]),
    ],
)
def test_a_list_is_in_the_order_that_is_asked_for(
    options: list[str], order: list[str], capsys: Capture
) -> None:
    routes = {"/a.gguf": serve_bytes(MODEL + b"larger"), "/b.gguf": serve_bytes(MODEL)}
    with FileServer(routes) as server:
        for name in ("b", "a"):
            assert main(["pull", "-q", f"{server.url}/{name}.gguf"]) == 0
    capsys.readouterr()

    assert main(["list", "-q", *options]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.removesuffix(".gguf")[-1] for line in lines] == order


def test_an_empty_list_is_a_heading(capsys: Capture) -> None:
    assert main(["list"]) == 0
    assert main(["list", "--noheading"]) == 0
    assert main(["list", "--json"]) == 0

    assert capsys.readouterr().out == "SHORTNAME  NAME  MODIFIED  SIZE\n[]\n"


def test_an_inspection_counts_what_the_file_says(pulled: str, capsys: Capture) -> None:
    assert main(["inspect", pulled]) == 0

    name, path, *rest = capsys.readouterr().out.splitlines()
    assert name == pulled
    assert path.startswith("   Path: /")
    assert path.endswith("/granite.gguf")
    assert rest == [
        "   Registry: http",
        "   Format: GGUF",
        "   Version: 3",
        "   Endianness: little",
        "   Metadata: 5 entries",
        "   Tensors: 1 entries",
    ]


def test_an_inspection_of_all_shows_it_and_obeys_none_of_it(pulled: str, capsys: Capture) -> None:
    assert main(["inspect", "--all", pulled]) == 0

    out = capsys.readouterr().out
    assert "      general.name: Granite\\x1b[2J\n" in out
    assert "      tokenizer.ggml.tokens: [300 elements]\n" in out
    assert "      output.weight: n_dimensions 2, dimensions [4, 8], type 0, offset 0\n" in out
    assert max(map(len, out.splitlines()[2:])) <= 80


def test_an_inspection_in_json_has_upstreams_keys(pulled: str, capsys: Capture) -> None:
    assert main(["inspect", "--json", pulled]) == 0
    short = json.loads(capsys.readouterr().out)
    assert main(["inspect", "--json", "--all", pulled]) == 0
    whole = json.loads(capsys.readouterr().out)

    assert (short["Name"], short["Format"], short["Version"]) == (pulled, "GGUF", 3)
    assert (short["Endianness"], short["Metadata"], short["Tensors"]) == (0, 5, 1)
    assert whole["Metadata"]["data"]["llama.block_count"] == 30
    assert whole["Tensors"] == [
        {
            "name": "output.weight",
            "n_dimensions": 2,
            "dimensions": [4, 8],
            "type": 0,
            "offset": 0,
        }
    ]


def test_one_value_can_be_had_alone(pulled: str, capsys: Capture) -> None:
    assert main(["inspect", "--get", "llama.block_count", pulled]) == 0

    assert capsys.readouterr().out == "30\n"


def test_all_values_can_be_had_a_line_each(pulled: str, capsys: Capture) -> None:
    assert main(["inspect", "--get", "all", pulled]) == 0

    assert "general.architecture: llama\n" in capsys.readouterr().out


def test_a_value_that_is_not_there_is_an_error(pulled: str, capsys: Capture) -> None:
    assert main(["inspect", "--get", "general.colour", pulled]) == 22

    assert "have no field 'general.colour'" in capsys.readouterr().err


def test_a_local_file_is_inspected_where_it_lies(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "own.gguf"
    file.write_bytes(MODEL)

    assert main(["inspect", "--json", str(file)]) == 0

    record = json.loads(capsys.readouterr().out)
    assert (record["Path"], record["Registry"]) == (str(file), "file")


def test_a_model_that_was_not_pulled_cannot_be_inspected(capsys: Capture) -> None:
    assert main(["inspect", "smollm2:135m"]) == 2

    assert "`ramalama pull` downloads it" in capsys.readouterr().err


def test_a_removal_says_what_it_freed(pulled: str, capsys: Capture) -> None:
    assert main(["rm", pulled]) == 0

    out, err = capsys.readouterr()
    assert out == f"{pulled}\n"
    assert re.fullmatch(r"Freed 1[01][0-9] kB\n", err)  # whole blocks
    assert main(["list", "-q"]) == 0
    assert capsys.readouterr().out == ""


def test_a_removal_of_all_removes_all(pulled: str, capsys: Capture) -> None:
    assert main(["rm", "--all", "-q"]) == 0

    assert capsys.readouterr() == (f"{pulled}\n", "")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["rm", "granite"], 2),
        (["rm", "--ignore", "granite"], 0),
        (["rm"], 2),
        (["rm", "--all", "granite"], 2),
        (["rm", "hf://"], 22),
        (["rm", "--ignore", "hf://"], 0),
        (["pull"], 2),
        (["pull", "hf://"], 22),
        (["inspect"], 2),
    ],
)
def test_what_makes_no_sense_has_a_code(words: list[str], code: int, capsys: Capture) -> None:
    try:
        ended = main(words)
    except SystemExit as exc:
        ended = exc.code if isinstance(exc.code, int) else 1

    out, err = capsys.readouterr()
    assert ended == code
    assert out == ""
    assert err.count("\n") == 1


def test_the_garbage_is_named_before_it_is_gone(tmp_path: Path, capsys: Capture) -> None:
    content = tmp_path / "store/cas/sha256/ab" / ("c" * 62)
    content.parent.mkdir(parents=True)
    content.write_bytes(bytes(5000))
    content.chmod(0o444)

    assert main(["gc", "--dryrun"]) == 0
    named = capsys.readouterr().out
    assert content.exists()
    assert main(["gc"]) == 0

    assert named == capsys.readouterr().out == f"{content}\n"
    assert not content.exists()


def test_another_store_can_be_named(url: str, tmp_path: Path, capsys: Capture) -> None:
    assert main(["--store", str(tmp_path / "other"), "pull", "-q", url]) == 0
    capsys.readouterr()

    assert main(["list", "-q"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["list", "-q", "--store", str(tmp_path / "other")]) == 0
    assert capsys.readouterr().out == f"{url}\n"


def test_a_store_that_is_none_is_an_error_of_one_line(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").touch()

    assert main(["list", "--store", str(tmp_path / "file")]) in (0, 5)
    assert main(["pull", "--store", str(tmp_path / "file"), "http://127.0.0.1:9/m.gguf"]) in (5, 22)

    assert "Traceback" not in capsys.readouterr().err
