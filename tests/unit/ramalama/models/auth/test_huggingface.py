"""A token of Hugging Face's is checked, kept where its tools look, and removed."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import AccessDenied, ConfigError, ModelPullError
from ramalama.models.auth.huggingface import check_token, remove_token, store_token
from ramalama.models.http.client import open_http
from ramalama.models.http.failures import RetryPolicy
from ramalama.models.transports.huggingface.token import find_token
from ramalama_engines import InvokingUser
from tests.doubles.oci_registry import always
from tests.doubles.server import FileServer, Reply

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "hf_opensesame"  # noqa: S105 (it opens nothing)


def make_user(tmp_path: Path, **env: str) -> InvokingUser:
    return InvokingUser(env=env, home=tmp_path / "home", uid=1000, root=tmp_path)


def check(token: str, reply: Reply, tmp_path: Path) -> str | None:
    with FileServer({"/api/whoami-v2": always(reply)}) as server, open_http() as client:
        found = check_token(token, make_user(tmp_path, HF_ENDPOINT=server.url), client)
        (asked,) = server.requests
    assert asked.headers["authorization"] == f"Bearer {token}"
    return found


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply.of_json({"type": "user", "name": "me"}), "me"),
        (Reply.of_json({"name": 7}), None),
        (Reply(body=b"<html>"), None),
        (Reply(status=404), None),
    ],
)
def test_the_hub_tells_whose_token_it_is_and_a_mirror_need_not(
    tmp_path: Path, reply: Reply, expected: str | None
) -> None:
    assert check(TOKEN, reply, tmp_path) == expected


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_the_hub_does_not_know_is_refused_without_showing_it(
    tmp_path: Path, status: int
) -> None:
    with pytest.raises(AccessDenied, match=r"not accept this token.*/settings/tokens") as caught:
        check(TOKEN, Reply(status=status), tmp_path)

    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("token", ["", "hf_ x", "hf_\n", "hf_é", "x" * 5000])
def test_an_invalid_token_is_not_sent(tmp_path: Path, token: str) -> None:
    with FileServer() as server, open_http() as client:
        with pytest.raises(ConfigError, match="this is not a token of Hugging Face"):
            check_token(token, make_user(tmp_path, HF_ENDPOINT=server.url), client)
        assert server.requests == []


def test_a_hub_that_cannot_be_reached_is_an_error(tmp_path: Path) -> None:
    with FileServer() as server:
        gone = server.url

    user = make_user(tmp_path, HF_ENDPOINT=gone)
    with open_http() as client, pytest.raises(ModelPullError, match="Connection refused"):
        check_token(TOKEN, user, client, retry_policy=RetryPolicy(tries=1))


@pytest.mark.parametrize(
    ("variable", "file"),
    [
        (None, "home/.cache/huggingface/token"),
        ("XDG_CACHE_HOME", "named/huggingface/token"),
        ("HF_HOME", "named/token"),
        ("HF_TOKEN_PATH", "named"),
    ],
)
def test_the_token_is_saved_where_it_is_read_and_only_for_its_owner(
    tmp_path: Path, variable: str | None, file: str
) -> None:
    env = {variable: str(tmp_path / "named")} if variable else {}
    user = make_user(tmp_path, **env)

    stored = store_token(TOKEN, user)

    assert stored == tmp_path / file
    assert stored.read_bytes() == TOKEN.encode()
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    found = find_token(user.env, user.home)
    assert found is not None
    assert found.value == TOKEN

    assert remove_token(user) == stored
    assert find_token(user.env, user.home) is None
    with pytest.raises(ConfigError, match=r"not logged in to Hugging Face: .*No such file"):
        remove_token(user)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    user = make_user(tmp_path, HF_HOME=str(tmp_path / "file"))

    with pytest.raises(ConfigError, match="file/token cannot be written") as caught:
        store_token(TOKEN, user)
    assert TOKEN not in str(caught.value)
