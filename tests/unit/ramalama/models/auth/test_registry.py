"""A registry is asked before a login is written down, and what that is called."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import AccessDenied, ConfigError, InvalidReference, ModelPullError
from ramalama.models.auth.registry import RegistryName, login, login_file, logout, names_huggingface
from ramalama.models.http.client import open_http
from ramalama.models.http.failures import RetryPolicy
from ramalama.models.transports.oci.client.registry import Access
from ramalama_engines import InvokingUser
from tests.doubles.oci_registry import always, demand
from tests.doubles.server import FileServer, Reply

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator
    from pathlib import Path

    import httpx2

SECRET = "opensesame"  # noqa: S105 (a password is what this file is about)
BASIC = f"Basic {b64encode(f'me:{SECRET}'.encode()).decode()}"


@pytest.fixture
def user(tmp_path: Path) -> InvokingUser:
    (tmp_path / "runtime").mkdir()
    env = {"XDG_RUNTIME_DIR": str(tmp_path / "runtime")}
    return InvokingUser(env=env, home=tmp_path / "home", uid=1000, root=tmp_path)


@pytest.fixture
def access(user: InvokingUser) -> Generator[Access]:
    with ExitStack() as clients:

        def open_client(*, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
            return clients.enter_context(open_http(verify=verify))

        retry_policy = RetryPolicy(tries=1)
        yield Access(open_http=open_client, user=user, tls_verify=False, retry_policy=retry_policy)


@pytest.fixture
def server() -> Generator[FileServer]:
    """A registry that knows one user."""
    with FileServer({"/v2/": always(Reply.of_json({}))}) as running:
        demand(running, 'Basic realm="test"', accept=lambda shown: shown == BASIC)
        yield running


def name_of(server: FileServer) -> RegistryName:
    return RegistryName.parse(f"127.0.0.1:{server.port}")


# What a registry is called


@pytest.mark.parametrize(
    ("text", "domain", "key"),
    [
        ("quay.io", "quay.io", "quay.io"),
        ("oci://quay.io/", "quay.io", "quay.io"),
        ("docker://quay.io/team", "quay.io", "quay.io/team"),
        ("https://quay.io/v2/", "quay.io", "quay.io"),
        ("localhost", "localhost", "localhost"),
        ("localhost:5000/team/models", "localhost:5000", "localhost:5000/team/models"),
        ("[::1]:5000", "[::1]:5000", "[::1]:5000"),
        ("docker.io", "docker.io", "docker.io"),
        ("index.docker.io", "docker.io", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io", "docker.io"),
        ("docker.io/me", "docker.io", "docker.io/me"),
    ],
)
def test_a_registry_is_read_in_all_the_ways_in_which_it_is_written(
    text: str, domain: str, key: str
) -> None:
    assert RegistryName.parse(text) == RegistryName(domain=domain, key=key)


@pytest.mark.parametrize(
    "text", ["", "/", "oci://", "quay", "me/models", "quay.io/a:b", "quay.io/UP", "a b.io", ":80"]
)
def test_what_names_no_host_is_no_registry(text: str) -> None:
    with pytest.raises(InvalidReference, match=r"is not a registry; use its host name: quay\.io"):
        RegistryName.parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("modelscope", "MODELSCOPE_API_TOKEN"),
        ("ms://", "MODELSCOPE_API_TOKEN"),
        ("https://modelscope.cn", "MODELSCOPE_API_TOKEN"),
        ("ollama", "has no passwords"),
        ("ollama://library", "has no passwords"),
        ("ollama.com", "has no passwords"),
    ],
)
def test_a_hub_without_logins_says_what_to_do_instead(text: str, reason: str) -> None:
    with pytest.raises(InvalidReference, match=reason):
        RegistryName.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("huggingface", True),
        ("hf", True),
        ("hf://", True),
        ("huggingface://", True),
        ("hf.co", True),
        ("https://huggingface.co/", True),
        ("huggingface.example", False),
        ("quay.io/hf", False),
        ("", False),
    ],
)
def test_hugging_face_has_many_names(text: str, *, expected: bool) -> None:
    assert names_huggingface(text) == expected


# Logging in and out


def test_a_login_that_the_registry_accepts_is_written_where_podman_reads_it(
    server: FileServer, access: Access
) -> None:
    name = name_of(server)

    file = login(name, "me", SECRET, access=access)

    assert file == access.user.runtime_dir / "containers/auth.json"
    assert json.loads(file.read_text()) == {"auths": {name.key: {"auth": BASIC.split()[1]}}}


def test_a_token_service_is_asked_where_the_registry_has_one(
    server: FileServer, access: Access
) -> None:
    """As Docker Hub and Quay do it; nothing but the right password gets a token."""
    tokens = Reply.of_json({"token": "t"}), Reply(status=401)
    server.routes["/token"] = lambda request: tokens[request.headers["authorization"] != BASIC]
    server.routes["/v2/"] = always(Reply.of_json({}))
    challenge = f'Bearer realm="{server.url}/token",service="test"'
    demand(server, challenge, accept=lambda shown: shown == "Bearer t")

    assert login(name_of(server), "me", SECRET, access=access).exists()
    with pytest.raises(AccessDenied, match="does not accept 'you' with this password"):
        login(name_of(server), "you", SECRET, access=access)


@pytest.mark.parametrize(
    ("username", "password", "reason"),
    [
        ("me", "guess", "does not accept 'me' with this password; nothing was saved"),
        ("", SECRET, "user name without colons and a password are needed"),
        ("me:too", SECRET, "user name without colons and a password are needed"),
        ("me", "", "user name without colons and a password are needed"),
    ],
)
def test_a_login_that_is_none_leaves_no_trace(
    server: FileServer, access: Access, username: str, password: str, reason: str
) -> None:
    with pytest.raises((AccessDenied, ConfigError), match=reason) as caught:
        login(name_of(server), username, password, access=access)

    assert not (access.user.runtime_dir / "containers").exists()
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(Reply(status=404), "answered 404"), (Reply(status=500), "answered 500")],
)
def test_what_is_no_registry_is_not_logged_in_to(
    server: FileServer, access: Access, reply: Reply, reason: str
) -> None:
    server.routes["/v2/"] = always(reply)

    with pytest.raises(ModelPullError, match=reason):
        login(name_of(server), "me", SECRET, access=access)
    assert not (access.user.runtime_dir / "containers").exists()


def test_a_logout_forgets_one_registry(server: FileServer, access: Access) -> None:
    name = name_of(server)
    file = login(name, "me", SECRET, access=access)
    login(RegistryName(domain=name.domain, key=f"{name.key}/team"), "me", SECRET, access=access)

    assert logout(name, access.user) == file
    assert list(json.loads(file.read_text())["auths"]) == [f"{name.key}/team"]


def test_a_logout_tells_who_else_knows_the_registry(user: InvokingUser) -> None:
    docker = user.home / ".docker/config.json"
    docker.parent.mkdir(parents=True)
    docker.write_text('{"auths": {"quay.io": {"auth": ""}}}')
    ours = user.runtime_dir / "containers/auth.json"

    with pytest.raises(ConfigError) as nothing:
        logout(RegistryName.parse("ghcr.io"), user)
    with pytest.raises(ConfigError) as elsewhere:
        logout(RegistryName.parse("quay.io"), user)

    assert str(nothing.value) == f"not logged in to ghcr.io: {ours} has no entry for it"
    assert str(elsewhere.value) == (
        f"not logged in to quay.io: {ours} has no entry for it, but {docker} has: "
        "log out with the program that wrote it, or use --authfile"
    )


@pytest.mark.parametrize(
    ("env", "directory", "expected"),
    [
        ({"XDG_RUNTIME_DIR": "RUNTIME"}, None, "RUNTIME/containers/auth.json"),
        ({}, "run", "ROOT/run/containers/1000/auth.json"),
        ({}, None, "ROOT/home/.config/containers/auth.json"),
        ({"REGISTRY_AUTH_FILE": "NAMED", "XDG_RUNTIME_DIR": "RUNTIME"}, None, "NAMED"),
    ],
)
def test_a_login_goes_to_the_file_that_podman_would_write(
    tmp_path: Path, env: dict[str, str], directory: str | None, expected: str
) -> None:
    if directory:
        (tmp_path / directory).mkdir()
    user = InvokingUser(env=env, home=tmp_path / "home", uid=1000, root=tmp_path)

    assert str(login_file(user, None)) == expected.replace("ROOT", str(tmp_path))
    assert login_file(user, tmp_path / "mine") == tmp_path / "mine"
