"""Find the user's token for Hugging Face where its own tools keep it.

    $HF_TOKEN, $HUGGING_FACE_HUB_TOKEN
    $HF_TOKEN_PATH, else $HF_HOME/token, else $XDG_CACHE_HOME/huggingface/token,
                    else ~/.cache/huggingface/token

`HF_HUB_DISABLE_IMPLICIT_TOKEN` disables the token. Source: huggingface_hub, utils/_auth.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.models.transports.hub import Token

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})
_LONGEST = 16 * 1024


def find_token(env: Mapping[str, str], home: Path) -> Token | None:
    """Return the token to send; None if the user has none, or has disabled it.

    Raises:
        AccessDenied: the value is not a token.
    """
    if is_true(env.get("HF_HUB_DISABLE_IMPLICIT_TOKEN")):
        return None
    for variable in _VARIABLES:
        if value := _cleaned(env.get(variable, "")):
            return Token(value=value, source=variable)
    path = token_path(env, home)
    value = _cleaned(_read(path))
    return Token(value=value, source=str(path)) if value else None


def token_path(env: Mapping[str, str], home: Path) -> Path:
    """Return the path where Hugging Face's tools keep the token, whether it exists or not."""
    if named := env.get("HF_TOKEN_PATH"):
        return _expanded(named, env, home)
    cache = env.get("XDG_CACHE_HOME") or str(home / ".cache")
    return _expanded(env.get("HF_HOME") or f"{cache}/huggingface", env, home) / "token"


def is_true(value: str | None) -> bool:
    """Return whether a variable is set to true, by huggingface_hub's rule."""
    return (value or "").upper() in _TRUE


def _cleaned(text: str) -> str:
    return text.replace("\r", "").replace("\n", "").strip()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST).decode(errors="replace")
    except OSError:  # public models need no token
        return ""


def _expanded(path: str, env: Mapping[str, str], home: Path) -> Path:
    """Expand ``~`` and variables, as Hugging Face's tools do."""
    from string import Template  # noqa: PLC0415 (few name the file)

    path = Template(path).safe_substitute(env)
    return home / path.removeprefix("~").lstrip("/") if path.startswith("~/") else Path(path)
