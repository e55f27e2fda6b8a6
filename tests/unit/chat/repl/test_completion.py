"""What Tab makes of a command."""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from ramalama_chat.repl.commands.completion import continue_command
from ramalama_chat.repl.history import History
from ramalama_chat.repl.path_completion import continue_path
from ramalama_chat.repl.state import ChatState
from tests.unit.chat.parrot import Parrot


@pytest.fixture
def state(tmp_path: Path) -> ChatState:
    """A desk whose home has three files, one of them hidden, and a directory."""
    (tmp_path / "notes").mkdir()
    for name in ("notes.txt", "two words", ".hidden"):
        (tmp_path / name).touch()
    return ChatState(
        session=Parrot(), stderr=io.StringIO(), history=History(None, print), home=tmp_path
    )


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
    state: ChatState, typed: str, part: str, continuations: Sequence[str]
) -> None:
    found, goes_on = continue_command(typed, state.path)

    assert (found, list(goes_on)) == (part, continuations)


def test_what_cannot_be_typed_or_looked_at_keeps_nothing_else_from_being_offered(
    state: ChatState, tmp_path: Path
) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / "alpha").touch()
    (odd / "loop").symlink_to(odd / "loop")
    (odd / "a\nb").touch()
    Path(os.fsdecode(os.fsencode(odd) + b"/a\xff")).touch()

    part = f"{odd}/"

    assert continue_command(f"/file {part}", state.path)[1] == [f"{part}alpha", f"{part}loop"]


def test_the_home_of_an_unknown_user_has_no_completions() -> None:
    assert continue_path("~no-such-user/", lambda name: Path(name).expanduser()) == []
