import json
import stat
from pathlib import Path

import pytest

from ramalama_chat import Exchange, InputRefused
from ramalama_chat.session.transcript import Transcript, load_transcript, save_transcript

IMAGE = "data:image/png;base64,iVBORw0KGgo="
TALK = Transcript(
    system="Be brief.",
    exchanges=(Exchange("Hi", "Hello."), Exchange("What?", "A dot.", (IMAGE,))),
    parameters={"temperature": 0.5, "stop": ["</s>"]},
)
GOOD: dict[str, object] = {
    "ramalama_talk": 1,
    "system": None,
    "exchanges": [{"prompt": "a", "answer": "b"}],
}


def write(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_a_talk_comes_back_as_it_was(tmp_path: Path) -> None:
    save_transcript(tmp_path / "talk", TALK)

    assert load_transcript(tmp_path / "talk") == TALK


def test_a_talk_is_its_owners_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    save_transcript(tmp_path / "talk", TALK)
    save_transcript(tmp_path / "talk", TALK)

    assert stat.S_IMODE((tmp_path / "talk").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["talk"]


def test_what_is_no_talk_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("Chapter 1")

    with pytest.raises(InputRefused, match="exists and was not written by /save"):
        save_transcript(tmp_path / "thesis", TALK)

    assert (tmp_path / "thesis").read_text() == "Chapter 1"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing/talk", "cannot be written: No such file or directory"),
        ("x" * 300, "cannot be written: File name too long"),
        ("a\0b", "is not a file name"),
    ],
)
def test_a_talk_that_cannot_be_written_is_one_line(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(InputRefused, match=why):
        save_transcript(tmp_path / name, TALK)


@pytest.mark.parametrize(
    "value",
    [
        list[object](),
        dict[str, object](),
        GOOD | {"ramalama_talk": 2},
        GOOD | {"system": 1},
        GOOD | {"exchanges": 1},
        GOOD | {"exchanges": ["Hi"]},
        GOOD | {"exchanges": [{"prompt": "a"}]},
        GOOD | {"exchanges": [{"prompt": "a", "answer": ["b"]}]},
        GOOD | {"exchanges": [{"prompt": "a", "answer": "b", "images": IMAGE}]},
        GOOD | {"exchanges": [{"prompt": "a", "answer": "b", "images": ["file:///etc/shadow"]}]},
        GOOD | {"exchanges": [{"prompt": "a", "answer": "b", "images": ["http://evil/x.png"]}]},
        GOOD | {"exchanges": [{"prompt": "a", "answer": "b", "images": [IMAGE, 1]}]},
    ],
)
def test_anything_else_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(InputRefused, match="is not a conversation that /save has written"):
        load_transcript(write(tmp_path / "talk", value))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "talk").write_bytes(content)

    with pytest.raises(InputRefused, match="is not a conversation"):
        load_transcript(tmp_path / "talk")


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"seed": 1, "model": "gpt", "messages": [], "stream": False}, {"seed": 1}),
        ({"stop": ["a", 1]}, {"stop": ["a"]}),
        ("nonsense", {}),
    ],
)
def test_of_the_parameters_only_those_that_a_user_could_set_count(
    tmp_path: Path, given: object, taken: object
) -> None:
    assert (
        load_transcript(write(tmp_path / "talk", GOOD | {"parameters": given})).parameters == taken
    )


def test_a_parameter_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="temperature must be a number"):
        load_transcript(write(tmp_path / "talk", GOOD | {"parameters": {"temperature": "hot"}}))
