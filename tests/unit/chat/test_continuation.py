"""What Tab makes of a command."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from ramalama_chat.commands.continuation import continue_command
from ramalama_chat.desk import Desk
from ramalama_chat.history import History
from tests.unit.chat.parrot import Parrot


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk whose home has three files, one of them hidden, and a directory."""
    (tmp_path / "notes").mkdir()
    for name in ("notes.txt", "two words", ".hidden"):
        (tmp_path / name).touch()
    return Desk(talk=Parrot(), stderr=io.StringIO(), history=History(None, print), home=tmp_path)


@pytest.mark.parametrize(
    ("typed", "part", "continuations"),
    [
        ("/re", "/re", ["/regenerate", "/retry"]),
        ("/set t", "t", ["temperature", "top_p", "top_k", "think"]),
        ("/set parameter t", "parameter t", []),
        ("/think o", "o", ["on", "off"]),
        ("/help /st", "/st", ["/stats"]),
        ("/show h", "h", []),
        ("/clear x", "x", []),
        ("/frobnicate x", "x", []),
        ("/file ~/no", "~/no", ["~/notes.txt", "~/notes/"]),
        ("/save ~/two w", "~/two w", ["~/two words"]),
        ("/load ~/", "~/", ["~/notes.txt", "~/notes/", "~/two words"]),
        ("/image ~/.", "~/.", ["~/.hidden"]),
        ("/file ~/missing/", "~/missing/", []),
        ("/file a\0/", "a\0/", []),
        ("tell me", "", []),
        ("/clear\n/re", "", []),
    ],
)
def test_the_last_part_goes_on_as_the_command_takes_it(
    desk: Desk, typed: str, part: str, continuations: Sequence[str]
) -> None:
    found, goes_on = continue_command(typed, desk.path)

    assert (found, list(goes_on)) == (part, continuations)
