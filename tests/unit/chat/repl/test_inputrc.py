from pathlib import Path

import pytest

from ramalama_chat.repl.inputrc import prefers_vi


@pytest.mark.parametrize(
    ("content", "vi"),
    [
        ("set editing-mode vi\n", True),
        ("  SET Editing-Mode VI\n", True),
        ("set editing-mode vi\nset editing-mode emacs\n", False),
        ("# set editing-mode vi\n", False),
        ("set editing-mode\n", False),
        ("$if Bash\nset editing-mode vi\n$endif\n", False),
        ("$if Bash\n$if x\n$endif\nset editing-mode vi\n$endif\nset bell-style none\n", False),
        ("$if Bash\n$endif\nset editing-mode vi\n", True),
        ("\0\ufffd\n", False),
        ("", False),
    ],
)
def test_keys_are_those_of_the_users_inputrc(tmp_path: Path, content: str, *, vi: bool) -> None:
    (tmp_path / ".inputrc").write_text(content)

    assert prefers_vi({}, tmp_path) is vi


def test_inputrc_may_be_named_by_a_variable(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("set editing-mode vi\n")
    (tmp_path / ".inputrc").write_text("set editing-mode emacs\n")

    assert prefers_vi({"INPUTRC": str(tmp_path / "mine")}, tmp_path)


@pytest.mark.parametrize("named", [".", "missing"])
def test_an_inputrc_that_is_no_file_says_nothing(tmp_path: Path, named: str) -> None:
    assert not prefers_vi({"INPUTRC": str(tmp_path / named)}, tmp_path)
