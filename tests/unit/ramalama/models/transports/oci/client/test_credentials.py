"""Who we say that we are to a registry, and what is said when a keychain does not help."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import AccessDenied
from ramalama.models.transports.oci.client.credentials import (
    Credentials,
    FoundCredentials,
    HelperFailed,
    ask_helper,
    find_credentials,
)
from ramalama_engines import ImageReference, InvokingUser

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "opensesame:with:colons"  # noqa: S105 (a password is what this file is about)
IMAGE = ImageReference.parse("quay.io/ramalama/smollm2:135m")
HUB = ImageReference.parse("ai/smollm2")

# What a helper writes who knows the answer, and what it writes on purpose if it does not.
KNOWN = '{"ServerURL": "x", "Username": "%s", "Secret": "%s"}'
UNKNOWN = "echo 'credentials not found in native keychain'; exit 1"


def encode(username: str, password: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def user(tmp_path: Path) -> InvokingUser:
    """A user with an empty home, and a directory for programs before all others."""
    (tmp_path / "bin").mkdir()
    path = os.pathsep.join(("bin", "", str(tmp_path / "bin"), "/usr/bin", "/bin"))
    env = {"PATH": path, "XDG_RUNTIME_DIR": str(tmp_path / "runtime")}
    return InvokingUser(env=env, home=tmp_path / "home", uid=1000, root=tmp_path)


def make_helper(tmp_path: Path, name: str, script: str) -> None:
    """Put a credential helper into the user's directory of programs."""
    program = tmp_path / "bin" / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def saying(username: str, secret: str = SECRET) -> str:
    return f"cat >/dev/null; printf '%s' '{KNOWN % (username, secret)}'"


def named(found: FoundCredentials) -> str | None:
    return found.credentials.username if found.credentials else None


# What the files say


def test_a_user_and_a_password_come_with_the_name_of_their_file(
    tmp_path: Path, user: InvokingUser
) -> None:
    file = write(tmp_path / "auth.json", {"auths": {"quay.io": encode("me")}})

    found = find_credentials(IMAGE, user, file)

    mine = Credentials(username="me", password=SECRET, source=str(file))
    assert found == FoundCredentials(credentials=mine)
    assert SECRET not in repr(found)


def test_an_identity_token_wins_over_the_half_password_beside_it(
    tmp_path: Path, user: InvokingUser
) -> None:
    entry = {"identitytoken": SECRET, "auth": encode("me", "")["auth"]}
    file = write(tmp_path / "home/.docker/config.json", {"auths": {"quay.io": entry}})

    found = find_credentials(IMAGE, user)

    mine = Credentials(identity_token=SECRET, source=str(file))
    assert found == FoundCredentials(credentials=mine)
    assert SECRET not in repr(found)


FILES = (
    "runtime/containers/auth.json",
    "home/.config/containers/auth.json",
    "home/.docker/config.json",
    "home/.dockercfg",
)


@pytest.mark.parametrize("first", range(4))
def test_the_first_file_that_knows_the_registry_serves(
    tmp_path: Path, user: InvokingUser, first: int
) -> None:
    for file in FILES[first:]:
        entries = {"quay.io": encode(file)}
        write(tmp_path / file, entries if file.endswith("cfg") else {"auths": entries})

    found = find_credentials(IMAGE, user)

    assert named(found) == FILES[first]


def test_without_a_file_there_are_no_credentials(user: InvokingUser) -> None:
    assert find_credentials(IMAGE, user) == FoundCredentials()


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_named_file_is_the_only_one_that_is_read(
    tmp_path: Path, user: InvokingUser, *, by_variable: bool
) -> None:
    write(tmp_path / FILES[0], {"auths": {"quay.io": encode("me")}})
    file = write(tmp_path / "named.json", {"auths": {}})
    env = {**user.env, "REGISTRY_AUTH_FILE": str(file)} if by_variable else user.env
    user = InvokingUser(env=env, home=user.home, uid=user.uid, root=user.root)

    found = find_credentials(IMAGE, user, None if by_variable else file)

    assert found == FoundCredentials()


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "does not exist"), ({"auths": SECRET}, 'has an "auths" that is not a JSON object')],
)
def test_a_named_file_that_cannot_be_used_is_refused_without_showing_it(
    tmp_path: Path, user: InvokingUser, content: object, reason: str
) -> None:
    file = tmp_path / "auth.json"
    if content:
        write(file, content)

    with pytest.raises(AccessDenied, match=reason) as caught:
        find_credentials(IMAGE, user, file)

    assert str(file) in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_broken_default_file_is_ignored_with_a_notice(tmp_path: Path, user: InvokingUser) -> None:
    broken = write(tmp_path / FILES[0], [SECRET])

    found = find_credentials(IMAGE, user)

    assert found.notices == (f"{broken} does not hold a JSON object; it was ignored",)


# What the helpers say


@pytest.mark.parametrize(
    ("image", "content", "server"),
    [
        (IMAGE, {"credHelpers": {"quay.io": "x"}}, "quay.io"),
        (IMAGE, {"credsStore": "x"}, "quay.io"),
        (IMAGE, {"credsStore": "x", "auths": {"https://quay.io/v1/": {}}}, "https://quay.io/v1/"),
        (HUB, {"credsStore": "x"}, "https://index.docker.io/v1/"),
        (HUB, {"credsStore": "x", "auths": {"docker.io": {}}}, "docker.io"),
        (HUB, {"credHelpers": {"docker.io": "x"}}, "docker.io"),
        (
            HUB,
            {"credHelpers": {"https://index.docker.io/v1/": "x"}},
            "https://index.docker.io/v1/",
        ),
        (
            ImageReference.parse("localhost:5000/a"),
            {"credHelpers": {"localhost:5000": "x"}},
            "localhost:5000",
        ),
    ],
)
def test_a_helper_is_asked_for_the_registry_as_its_file_writes_it(
    tmp_path: Path, user: InvokingUser, image: ImageReference, content: object, server: str
) -> None:
    asked = tmp_path / "asked"
    make_helper(tmp_path, "x", f'printf "%s " "$@" >{asked}; cat >>{asked}; {saying("me")}')
    file = write(tmp_path / FILES[2], content)

    found = find_credentials(image, user)

    mine = Credentials(username="me", password=SECRET, source=f"{file}, docker-credential-x")
    assert found == FoundCredentials(credentials=mine)
    assert asked.read_text() == f"get {server}"


def test_the_user_named_token_means_that_the_secret_is_an_identity_token(
    tmp_path: Path, user: InvokingUser
) -> None:
    make_helper(tmp_path, "x", saying("<token>"))
    write(tmp_path / FILES[2], {"credsStore": "x"})

    found = find_credentials(IMAGE, user)

    assert found.credentials
    assert (found.credentials.username, found.credentials.identity_token) == (None, SECRET)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"credHelpers": {"quay.io": "mine"}, "auths": {"quay.io": encode("written")}}, "mine"),
        ({"credsStore": "mine", "auths": {"quay.io": encode("written")}}, "written"),
        ({"credHelpers": {"quay.io": "mine"}, "credsStore": "other"}, "mine"),
        ({"credHelpers": {"quay.io": "empty"}, "credsStore": "other"}, "other"),
        ({"credHelpers": {"ghcr.io": "mine"}}, None),
    ],
)
def test_the_registrys_helper_comes_first_and_the_files_own_last(
    tmp_path: Path, user: InvokingUser, content: object, expected: str | None
) -> None:
    make_helper(tmp_path, "mine", saying("mine"))
    make_helper(tmp_path, "other", saying("other"))
    make_helper(tmp_path, "empty", UNKNOWN)
    write(tmp_path / FILES[2], content)

    assert named(find_credentials(IMAGE, user)) == expected


def test_a_helper_that_knows_nothing_is_passed_over_in_silence(
    tmp_path: Path, user: InvokingUser
) -> None:
    make_helper(tmp_path, "empty", UNKNOWN)
    write(tmp_path / FILES[0], {"credsStore": "empty"})
    write(tmp_path / FILES[2], {"auths": {"quay.io": encode("me")}})

    assert named(find_credentials(IMAGE, user)) == "me"

    (tmp_path / FILES[2]).unlink()
    assert find_credentials(IMAGE, user) == FoundCredentials()


def test_a_helper_that_fails_gives_a_notice_and_the_next_file_its_turn(
    tmp_path: Path, user: InvokingUser
) -> None:
    make_helper(tmp_path, "x", f"echo {SECRET}; exit 3")
    failing = write(tmp_path / FILES[0], {"credsStore": "x"})

    alone = find_credentials(IMAGE, user)
    write(tmp_path / FILES[2], {"auths": {"quay.io": encode("me")}})

    assert alone.credentials is None
    (notice,) = alone.notices
    assert notice.startswith("docker-credential-x failed with exit code 3; `echo quay.io | docker")
    assert notice.endswith(f"shows why; {failing} names it")
    assert named(find_credentials(IMAGE, user)) == "me"


@pytest.mark.parametrize(
    "name", ["../bin/x", "/bin/x", "x y", "X", "", "x;y", "-" * 3 + "é", "x.sh", "x\n"]
)
def test_a_name_that_could_be_more_than_a_name_is_not_run(
    tmp_path: Path, user: InvokingUser, name: str
) -> None:
    make_helper(tmp_path, "x", saying("me"))

    with pytest.raises(HelperFailed, match="is not the name of a credential helper"):
        ask_helper(name, "quay.io", user.env)


def test_a_helper_is_not_looked_for_where_the_user_stands(
    tmp_path: Path, user: InvokingUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_helper(tmp_path, "x", saying("me"))
    (tmp_path / "docker-credential-y").write_text("#!/bin/sh\n" + saying("me"))
    (tmp_path / "docker-credential-y").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    here = {"PATH": "bin::.:/nonexistent"}

    for name in "xy":
        with pytest.raises(HelperFailed, match=f"docker-credential-{name} is not in any directory"):
            ask_helper(name, "quay.io", here)
    assert ask_helper("x", "quay.io", user.env) == Credentials(username="me", password=SECRET)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 0", "gave an answer that is not valid"),
        (f"echo {SECRET}", "gave an answer that is not valid"),
        (f"""echo '["{SECRET}"]'""", "gave an answer that is not valid"),
        (saying(""), "gave an answer that is not valid"),
        (saying("me", ""), "gave an answer that is not valid"),
        (f'echo \'{{"Username": 7, "Secret": "{SECRET}"}}\'', "gave an answer that is not valid"),
        (f"echo {SECRET}; exit 1", "failed with exit code 1"),
        ("kill -9 $$", "failed with exit code -9"),
        (f"while :; do echo {SECRET}; done", "wrote more than 65536 bytes"),
        (f"echo {SECRET}; sleep 100", r"did not answer within 0\.2 seconds"),
        ("exec >&-; exec sleep 100", r"did not answer within 0\.2 seconds"),
    ],
)
def test_a_helper_that_misbehaves_is_ended_and_not_quoted(
    tmp_path: Path, user: InvokingUser, script: str, reason: str
) -> None:
    make_helper(tmp_path, "x", script)
    patience = 0.2 if "sleep" in script else 60

    with pytest.raises(HelperFailed, match=reason) as caught:
        ask_helper("x", "quay.io", user.env, timeout=patience)

    assert SECRET not in f"{caught.value} {caught.value.__cause__!r} {caught.value.__context__!r}"


def test_a_helper_that_the_system_cannot_run_says_so(tmp_path: Path, user: InvokingUser) -> None:
    program = tmp_path / "bin/docker-credential-x"
    program.write_text("#!/nonexistent/interpreter\n")
    program.chmod(0o755)

    with pytest.raises(HelperFailed, match="docker-credential-x cannot be run: No such file"):
        ask_helper("x", "quay.io", user.env)
