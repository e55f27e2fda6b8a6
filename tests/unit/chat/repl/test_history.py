import json
import os
import stat
from pathlib import Path

import pytest

from ramalama_chat.repl.history import History, history_path

HOME = Path("/home/u")


def open_history(path: Path | None) -> tuple[History, list[str]]:
    warnings: list[str] = []
    return History(path, warnings.append), warnings


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({}, HOME / ".local/state/ramalama/history"),
        ({"XDG_STATE_HOME": "/state"}, Path("/state/ramalama/history")),
        ({"XDG_STATE_HOME": "relative"}, HOME / ".local/state/ramalama/history"),
        ({"RAMALAMA_NOHISTORY": "1"}, None),
        ({"RAMALAMA_NOHISTORY": "0"}, HOME / ".local/state/ramalama/history"),
    ],
)
def test_the_history_is_state_of_the_user(env: dict[str, str], path: Path | None) -> None:
    assert history_path(env, HOME) == path


def test_what_one_talk_remembers_the_next_one_knows(tmp_path: Path) -> None:
    path = tmp_path / "a/b/history"
    for text in ("one", "two\nlines", "dr\N{LATIN SMALL LETTER E WITH ACUTE}i \ud800"):
        open_history(path)[0].append(text)

    assert open_history(path)[0].load() == ["one", "two\nlines", "dréi \ud800"]


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text("")
    path.chmod(0o644)

    open_history(path)[0].append("secret")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("of", ["path", "switch"])
def test_switched_off_it_neither_reads_nor_writes(tmp_path: Path, of: str) -> None:
    path = tmp_path / "history"
    path.write_text('"old"\n')
    history, warnings = open_history(None if of == "path" else path)
    history.enabled = history.enabled and of == "path"

    history.append("new")

    assert history.load() == ()
    assert path.read_text() == '"old"\n'
    assert warnings == []


def test_a_history_that_is_a_directory_is_told_once(tmp_path: Path) -> None:
    history, warnings = open_history(tmp_path)

    assert history.load() == ()
    history.append("x")
    history.append("y")

    assert warnings == [f"Warning: no history: {tmp_path}: not a regular file"]


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "history")
    history, warnings = open_history(tmp_path / "history")

    assert history.load() == ()
    assert warnings == [f"Warning: no history: {tmp_path}/history: not a regular file"]


def test_a_directory_that_cannot_be_made_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history, warnings = open_history(tmp_path / "file/history")

    history.append("x")
    history.append("y")

    assert len(warnings) == 1
    assert "Not a directory" in warnings[0] or "File exists" in warnings[0]


def test_lines_that_are_no_text_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_bytes(
        b'"one"\n{"a": 1}\n\xff\xfe\nnonsense\n""\n42\n' + b"[" * 100_000 + b'\n"two"\n'
    )

    assert open_history(path)[0].load() == ["one", "two"]


def test_of_a_huge_history_the_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text("".join(json.dumps(f"{number:0100}") + "\n" for number in range(20_000)))

    loaded = open_history(path)[0].load()

    assert loaded[-1] == f"{19_999:0100}"
    assert 10_000 < len(loaded) < 11_000
