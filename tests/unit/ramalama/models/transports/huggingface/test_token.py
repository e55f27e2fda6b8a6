"""Where Hugging Face's own tools keep the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama.errors import AccessDenied
from ramalama.models.transports.hub import Token
from ramalama.models.transports.huggingface.token import find_token

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILES = {
    ".cache/huggingface/token": "hf_usual\n",
    "xdg/huggingface/token": "hf_xdg",
    "hf/token": "  hf_home\r\n",
    "named": "hf_named",
    "empty": "\n",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


@pytest.mark.parametrize(
    ("env", "value", "source"),
    [
        ({}, "hf_usual", "{home}/.cache/huggingface/token"),
        ({"XDG_CACHE_HOME": "{home}/xdg"}, "hf_xdg", "{home}/xdg/huggingface/token"),
        ({"HF_HOME": "{home}/hf", "XDG_CACHE_HOME": "/x"}, "hf_home", "{home}/hf/token"),
        ({"HF_HOME": "~/hf"}, "hf_home", "{home}/hf/token"),
        ({"HF_HOME": "$WORK/hf", "WORK": "{home}"}, "hf_home", "{home}/hf/token"),
        ({"HF_TOKEN_PATH": "{home}/named", "HF_HOME": "{home}/hf"}, "hf_named", "{home}/named"),
        ({"HF_TOKEN": "hf_1", "HUGGING_FACE_HUB_TOKEN": "hf_2"}, "hf_1", "HF_TOKEN"),
        ({"HUGGING_FACE_HUB_TOKEN": " hf_2\n"}, "hf_2", "HUGGING_FACE_HUB_TOKEN"),
        ({"HF_TOKEN": "", "HF_HOME": "{home}/hf"}, "hf_home", "{home}/hf/token"),
        ({"HF_HUB_DISABLE_IMPLICIT_TOKEN": "0"}, "hf_usual", "{home}/.cache/huggingface/token"),
    ],
)
def test_the_first_that_is_set_is_the_token(
    home: Path, env: Mapping[str, str], value: str, source: str
) -> None:
    named = {name: text.format(home=home) for name, text in env.items()}

    assert find_token(named, home) == Token(value=value, source=source.format(home=home))


@pytest.mark.parametrize(
    "env",
    [
        {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1", "HF_TOKEN": "hf_1"},
        {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "true"},
        {"HF_TOKEN_PATH": "{home}/empty"},
        {"HF_TOKEN_PATH": "{home}/nowhere"},
        {"HF_TOKEN_PATH": "{home}"},
    ],
)
def test_there_may_be_none(home: Path, env: Mapping[str, str]) -> None:
    named = {name: text.format(home=home) for name, text in env.items()}

    assert find_token(named, home) is None


@pytest.mark.parametrize("value", ["hf_gehe\u00efm", "hf_se cret", "hf_se\x1bcret", "hf_se\tcret"])
def test_what_cannot_be_a_token_is_refused_and_not_shown(tmp_path: Path, value: str) -> None:
    with pytest.raises(AccessDenied) as refused:
        find_token({"HF_TOKEN": value}, tmp_path)

    assert str(refused.value) == "HF_TOKEN does not hold a valid token; copy it again"


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"\x80\x04 pickle")

    with pytest.raises(AccessDenied, match=rf"^{file} does not hold a valid token"):
        find_token({"HF_TOKEN_PATH": str(file)}, tmp_path)


def test_a_token_is_not_shown_by_accident() -> None:
    assert "hf_secret" not in repr(Token(value="hf_secret", source="HF_TOKEN"))
