"""Log in to Hugging Face: keep its token where its own tools do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ramalama.errors import AccessDenied, ConfigError
from ramalama.models.http.client import ask
from ramalama.models.http.failures import DEFAULT_RETRY_POLICY, translated
from ramalama.models.transports.hub import find_endpoint
from ramalama.models.transports.huggingface.token import token_path
from ramalama.models.transports.oci.manifests.strict_json import parse_object
from ramalama.system.private_files import make_directories, replace_file

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2

    from ramalama.models.http.failures import RetryPolicy
    from ramalama_engines import InvokingUser

_TOKEN = r"[\x21-\x7e]{1,4096}"  # noqa: S105 (the form of one)
_ENDPOINT = "https://huggingface.co"
_LARGEST_ANSWER = 1024 * 1024


def check_token(
    token: str,
    user: InvokingUser,
    client: httpx2.Client,
    *,
    retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
) -> str | None:
    """Return the user name of *token*; None if the hub, as a mirror, does not know it.

    Raises:
        AccessDenied: the hub rejects the token.
        ModelPullError: the hub did not answer.
        ConfigError: *token* is not valid as a token.
    """
    if re.fullmatch(_TOKEN, token) is None:
        msg = "this is not a token of Hugging Face: it is empty, too long, or contains spaces"
        raise ConfigError(msg)
    endpoint = find_endpoint(user.env, "HF_ENDPOINT", _ENDPOINT)
    url = f"{endpoint}/api/whoami-v2"
    with translated(url):
        headers = {"authorization": f"Bearer {token}"}
        answer = ask(client, url, headers=headers, limit=_LARGEST_ANSWER, retry_policy=retry_policy)
    if answer.status in (401, 403):
        msg = f"{endpoint} does not accept this token"
        raise AccessDenied(msg, hint=f"create one at {endpoint}/settings/tokens")
    return _name(answer.body) if answer.ok else None


def store_token(token: str, user: InvokingUser) -> Path:
    """Write *token* to the file that Hugging Face's clients read, and return the file.

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
    """Remove the file with the token, and return its path.

    Raises:
        ConfigError: there is no token, or it cannot be removed.
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
