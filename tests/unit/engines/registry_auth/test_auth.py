"""Whose password is sent to a registry, and what is said when none can be used."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.errors import ImagePullError
from ramalama_engines.image_reference import ImageReference
from ramalama_engines.registry_auth.choose import FoundAuth, find_auth
from ramalama_engines.spec import RegistryAuth
from ramalama_engines.user import InvokingUser

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SECRET = "opensesame:with:colons"  # noqa: S105 (a password is what this file is about)
IMAGE = ImageReference.parse("quay.io/ramalama/cuda:0.25")


def encode(username: str, password: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def make_user(tmp_path: Path, env: Mapping[str, str] | None = None) -> InvokingUser:
    default = {"XDG_RUNTIME_DIR": str(tmp_path / "runtime")}
    return InvokingUser(
        env=default if env is None else env, home=tmp_path / "home", uid=1000, root=tmp_path
    )


def username(found: FoundAuth) -> str | None:
    return found.auth.username if found.auth else None


@pytest.mark.parametrize(
    ("image", "keys", "expected"),
    [
        ("quay.io/ramalama/cuda:0.25", ["quay.io"], "quay.io"),
        ("quay.io/ramalama/cuda", ["quay.io", "quay.io/ramalama"], "quay.io/ramalama"),
        (
            "quay.io/ramalama/cuda",
            ["quay.io/ramalama", "quay.io/ramalama/cuda", "quay.io"],
            "quay.io/ramalama/cuda",
        ),
        ("quay.io/ramalama/cuda", ["quay.io/rama"], None),
        ("quay.io/ramalama/cuda", ["quay.io/ramalama/cuda:0.25"], None),
        ("quay.io/ramalama/cuda", ["io", "notquay.io", "quay.io:443"], None),
        ("localhost:5000/llama", ["localhost"], None),
        ("localhost:5000/llama", ["localhost:5000"], "localhost:5000"),
        ("quay.io/ramalama/cuda", ["https://quay.io"], "https://quay.io"),
        ("quay.io/ramalama/cuda", ["https://quay.io/v1/"], "https://quay.io/v1/"),
        ("quay.io/ramalama/cuda", ["quay.io/v2/"], "quay.io/v2/"),
        ("quay.io/ramalama/cuda", ["quay.io", "https://quay.io/v1/"], "quay.io"),
        ("debian", ["https://index.docker.io/v1/"], "https://index.docker.io/v1/"),
        ("debian", ["docker.io"], "docker.io"),
        ("debian", ["docker.io/library"], "docker.io/library"),
        ("ramalama/cuda", ["index.docker.io"], "index.docker.io"),
        ("quay.io/ramalama/cuda", ["https://index.docker.io/v1/"], None),
    ],
)
def test_the_longest_key_that_the_image_is_part_of_wins(
    tmp_path: Path, image: str, keys: list[str], expected: str | None
) -> None:
    authfile = write(tmp_path / "auth.json", {"auths": {key: encode("me", key) for key in keys}})

    found = find_auth(ImageReference.parse(image), make_user(tmp_path), authfile=authfile)

    assert (found.auth.password if found.auth else None) == expected


def test_a_password_may_have_colons_and_nul_padding(tmp_path: Path) -> None:
    entry = encode("me", SECRET + "\0\0")
    authfile = write(tmp_path / "auth.json", {"auths": {"quay.io": entry}})

    found = find_auth(IMAGE, make_user(tmp_path), authfile=authfile)

    assert found == FoundAuth(auth=RegistryAuth(username="me", password=SECRET), source=authfile)
    assert SECRET not in repr(found)


FILES = (
    "runtime/containers/auth.json",
    "home/.config/containers/auth.json",
    "home/.docker/config.json",
)


@pytest.mark.parametrize("first", range(3))
def test_the_first_file_with_an_entry_for_the_image_serves(tmp_path: Path, first: int) -> None:
    for file in FILES[:first]:
        write(tmp_path / file, {"auths": {"ghcr.io": encode("another registry's")}})
    for file in FILES[first:]:
        write(tmp_path / file, {"auths": {"quay.io": encode(file)}})

    found = find_auth(IMAGE, make_user(tmp_path))

    assert (username(found), found.source) == (FILES[first], tmp_path / FILES[first])


@pytest.mark.parametrize(
    ("variable", "value", "file"),
    [
        ("XDG_RUNTIME_DIR", "", "run/containers/1000/auth.json"),
        ("XDG_CONFIG_HOME", "elsewhere", "elsewhere/containers/auth.json"),
        ("DOCKER_CONFIG", "elsewhere", "elsewhere/config.json"),
        ("REGISTRY_AUTH_FILE", "elsewhere/auth", "elsewhere/auth"),
    ],
)
def test_a_variable_moves_the_file(tmp_path: Path, variable: str, value: str, file: str) -> None:
    write(tmp_path / file, {"auths": {"quay.io": encode("me")}})

    found = find_auth(
        IMAGE, make_user(tmp_path, {variable: str(tmp_path / value) if value else ""})
    )

    assert found.source == tmp_path / file


def test_without_a_file_there_are_no_credentials(tmp_path: Path) -> None:
    assert find_auth(IMAGE, make_user(tmp_path)) == FoundAuth()


def test_a_named_file_is_the_only_one_that_is_read(tmp_path: Path) -> None:
    for file in FILES:
        write(tmp_path / file, {"auths": {"quay.io": encode(file)}})
    named = write(tmp_path / "named.json", {"auths": {}})
    other = write(tmp_path / "other.json", "broken")
    user = make_user(tmp_path, {"REGISTRY_AUTH_FILE": str(other)})

    assert find_auth(IMAGE, user, authfile=named) == FoundAuth()


BROKEN = [
    ("not JSON", f'{{"auths": "{SECRET}', r"is not valid JSON \(line 1, column 11\)"),
    ("not an object", f'["{SECRET}"]', "does not hold a JSON object"),
    ("auths is text", f'{{"auths": "{SECRET}"}}', 'has an "auths" that is not a JSON object'),
    ("entry is text", f'{{"auths": {{"quay.io": "{SECRET}"}}}}', "has an entry 'quay.io' that is"),
    ("no base64", f'{{"auths": {{"quay.io": {{"auth": "{SECRET}"}}}}}}', "no user and password"),
    ("no colon", '{"auths": {"quay.io": {"auth": "b3BlbnNlc2FtZQ=="}}}', "no user and password"),
    ("not UTF-8", '{"auths": {"quay.io": {"auth": "/////w=="}}}', "no user and password"),
    ("a number", '{"auths": {"quay.io": {"auth": 7}}}', "no user and password"),
    ("too deep", '{"auths":' * 100_000, "is not valid JSON"),
    ("a huge number", '{"auths":' + "9" * 5000 + "}", "is not valid JSON"),
]


@pytest.mark.parametrize(("content", "reason"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
@pytest.mark.parametrize("by_variable", [False, True])
def test_a_named_file_that_is_broken_is_an_error_that_shows_nothing_of_it(
    tmp_path: Path, content: str, reason: str, *, by_variable: bool
) -> None:
    named = write(tmp_path / "auth.json", content)
    user = make_user(tmp_path, {"REGISTRY_AUTH_FILE": str(named)} if by_variable else None)

    with pytest.raises(ImagePullError, match=reason) as caught:
        find_auth(IMAGE, user, authfile=None if by_variable else named)

    assert str(named) in str(caught.value)
    assert secrets_in_chain(caught.value) == []


def secrets_in_chain(exc: BaseException | None) -> list[str]:
    """Tell what a debugger or a log with locals could dig out of the exceptions."""
    found: list[str] = []
    while exc is not None:
        told = (
            f"{exc} {exc.args} {vars(exc)} {getattr(exc, 'doc', '')} {getattr(exc, 'object', '')}"
        )
        found.extend(word for word in ("opensesame", "b3BlbnNlc2FtZQ") if word in told)
        exc = exc.__cause__ or exc.__context__
    return found


def make_nothing(path: Path) -> None:
    path.unlink(missing_ok=True)


def make_directory(path: Path) -> None:
    path.mkdir()


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_huge(path: Path) -> None:
    path.write_bytes(b" " * (4 * 1024 * 1024 + 1))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_nothing, "does not exist"),
        (make_directory, "cannot be read: Is a directory"),
        (make_loop, "cannot be read: Too many levels"),
        (make_huge, "is longer than 4194304 bytes"),
    ],
)
def test_a_named_file_that_cannot_be_read_is_an_error_that_names_it(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    make(tmp_path / "auth.json")

    with pytest.raises(ImagePullError, match=f"authentication file .*/auth.json {reason}"):
        find_auth(IMAGE, make_user(tmp_path), authfile=tmp_path / "auth.json")


def test_a_broken_default_file_is_ignored_with_a_notice(tmp_path: Path) -> None:
    broken = write(tmp_path / FILES[0], "{")
    write(tmp_path / FILES[1], {"auths": {"quay.io": encode("me")}})

    found = find_auth(IMAGE, make_user(tmp_path))
    broken_only = find_auth(ImageReference.parse("debian"), make_user(tmp_path))

    assert username(found) == "me"
    assert broken_only.notices == (
        f"{broken} is not valid JSON (line 1, column 2); it was ignored",
    )


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({"auths": {"quay.io": {}}, "credsStore": "desktop"}, "'docker-credential-desktop'"),
        ({"credHelpers": {"quay.io": "pass"}}, "'docker-credential-pass'"),
        ({"auths": {"quay.io": {"identitytoken": SECRET, **encode("<token>")}}}, "identity token"),
    ],
)
def test_what_only_a_helper_or_a_token_service_knows_gives_a_notice(
    tmp_path: Path, content: object, where: str
) -> None:
    write(tmp_path / FILES[2], content)

    found = find_auth(IMAGE, make_user(tmp_path))

    assert found.auth is None
    assert len(found.notices) == 1
    assert where in found.notices[0]
    assert str(tmp_path / FILES[2]) in found.notices[0]
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "content",
    [
        {"auths": {"ghcr.io": {}}, "credsStore": "desktop"},
        {"credsStore": "desktop"},
        {"credHelpers": {"ghcr.io": "pass"}},
        {"credHelpers": "nonsense", "auths": {"quay.io": {}}},
        {"auths": {"quay.io": {"auth": ""}}},
    ],
)
def test_a_helper_for_another_registry_is_passed_over_in_silence(
    tmp_path: Path, content: object
) -> None:
    write(tmp_path / FILES[2], content)

    assert find_auth(IMAGE, make_user(tmp_path)) == FoundAuth()
