"""Log in to Hugging Face: write a token where its own tools keep it, and read it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ramalama.errors import AccessDenied, ConfigError
from ramalama.models.http.client import ask
from ramalama.models.transports.api_requests import PATIENCE, translated
from ramalama.models.transports.hub import find_endpoint
from ramalama.models.transports.huggingface.token import token_path
from ramalama.models.transports.oci.manifests.strict_json import parse_object
from ramalama.system.private_files import make_directories, replace_file

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2

    from ramalama.models.http.retry import RetryPolicy
    from ramalama_engines import InvokingUser

_TOKEN = r"[\x21-\x7e]{1,4096}"  # noqa: S105 (the form of one)
_ENDPOINT = "https://huggingface.co"
_LARGEST_ANSWER = 1024 * 1024


def check_token(
    token: str, user: InvokingUser, client: httpx2.Client, *, retry_policy: RetryPolicy = PATIENCE
) -> str | None:
    """Ask the hub whose *token* this is; None where a mirror cannot tell.

    Raises:
        AccessDenied: the hub does not know it.
        ModelPullError: it cannot be asked.
        ConfigError: this cannot be a token.
    """
    if re.fullmatch(_TOKEN, token) is None:
        msg = "this is no token of Hugging Face: it is empty, too long, or has spaces in it"
        raise ConfigError(msg)
    endpoint = find_endpoint(user.env, "HF_ENDPOINT", _ENDPOINT)
    url = f"{endpoint}/api/whoami-v2"
    with translated(url):
        headers = {"authorization": f"Bearer {token}"}
        answer = ask(client, url, headers=headers, limit=_LARGEST_ANSWER, retry_policy=retry_policy)
    if answer.status in (401, 403):
        msg = f"{endpoint} does not know this token"
        raise AccessDenied(msg, hint=f"make one at {endpoint}/settings/tokens")
    return _name(answer.body) if answer.ok else None


def store_token(token: str, user: InvokingUser) -> Path:
    """Write *token* where Hugging Face's clients read it, and return where that is.

    Raises:
        ConfigError: the file cannot be written.
    """
    file = token_path(user.env, user.home)
    try:
        make_directories(file.parent)
        replace_file(file, token.encode())
    except OSError as exc:
        msg = f"{file} cannot be written: {exc.strerror}"
        raise ConfigError(msg) from exc
    return file


def remove_token(user: InvokingUser) -> Path:
    """Remove the token, and return where it was.

    Raises:
        ConfigError: there is none, or it cannot be removed.
    """
    file = token_path(user.env, user.home)
    try:
        file.unlink()
    except OSError as exc:
        msg = f"not logged in to Hugging Face: {file}: {exc.strerror}"
        raise ConfigError(msg) from exc
    return file


def _name(body: bytes) -> str | None:
    try:
        name = parse_object(body).get("name")
    except ValueError:
        return None
    return name if isinstance(name, str) else None
