"""Logins get into a file that others own, too, and out of it again."""

from __future__ import annotations

import base64
import json
import multiprocessing
import os
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.errors import ConfigError
from ramalama.models.auth.auth_file import (
    BrokenAuthFile,
    remove_login,
    store_login,
    with_login,
    without_login,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = "opensesame:with:colons"  # noqa: S105 (a password is what this file is about)
HUB = "https://index.docker.io/v1/"


def encode(username: str, password: str = SECRET) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


# As podman and docker write it, to the byte.
PODMAN = """{
	"auths": {
		"ghcr.io": {
			"auth": "b3RoZXI6c2VjcmV0"
		}
	},
	"credHelpers": {
		"gcr.io": "gcloud"
	},
	"HttpHeaders": {
		"X-Meta": "<&>"
	},
	"detachKeys": "ctrl-e,e",
	"aNumber": 12345678901234567890
}"""
WITH_QUAY = PODMAN.replace(
    '"b3RoZXI6c2VjcmV0"\n\t\t}',
    f'"b3RoZXI6c2VjcmV0"\n\t\t}},\n\t\t"quay.io": {{\n\t\t\t"auth": "{encode("me")}"\n\t\t}}',
)


def test_a_login_is_added_and_all_else_stays_to_the_byte() -> None:
    assert with_login(PODMAN, "quay.io", "me", SECRET) == WITH_QUAY


def test_a_logout_restores_the_file_to_the_byte() -> None:
    assert without_login(WITH_QUAY, "quay.io") == PODMAN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", '{\n\t"auths": {\n\t\t"q.io": {\n\t\t\t"auth": "X"\n\t\t}\n\t}\n}'),
        (" \n", '{\n\t"auths": {\n\t\t"q.io": {\n\t\t\t"auth": "X"\n\t\t}\n\t}\n} \n'),
        ("{}\n", '{\n\t"auths": {\n\t\t"q.io": {\n\t\t\t"auth": "X"\n\t\t}\n\t}\n}\n'),
        (
            '{\n  "a": 1\n}\n',
            '{\n  "a": 1,\n  "auths": {\n    "q.io": {\n      "auth": "X"\n    }\n  }\n}\n',
        ),
    ],
)
def test_a_login_is_written_as_the_file_is_indented(text: str, expected: str) -> None:
    written = with_login(text, "q.io", "me", SECRET)

    assert written == expected.replace("X", encode("me"))


@pytest.mark.parametrize(
    ("keys", "key", "expected"),
    [
        (["q.io"], "q.io", ["q.io"]),
        (["https://q.io/v1/"], "q.io", ["https://q.io/v1/"]),
        ([HUB], "docker.io", [HUB]),
        ([HUB, "docker.io"], "docker.io", [HUB, "docker.io"]),
        (["q.io/team"], "q.io", ["q.io"]),
        (["q.io"], "q.io/team", ["q.io/team"]),
        (["q.io:5000"], "q.io", ["q.io"]),
    ],
)
def test_a_login_takes_the_place_of_an_older_one_however_that_is_written(
    keys: list[str], key: str, expected: list[str]
) -> None:
    old = {"auth": "old", "identitytoken": "old"}
    text = json.dumps({"auths": dict.fromkeys(keys, old)})

    after = json.loads(with_login(text, key, "me", SECRET))["auths"]

    assert [name for name, entry in after.items() if entry == {"auth": encode("me")}] == expected
    assert {name for name, entry in after.items() if entry == old} == {*keys} - {*expected}


def test_a_logout_removes_every_way_to_write_the_registry() -> None:
    keys = [HUB, "docker.io", "index.docker.io", "docker.io/team", "q.io"]
    text = json.dumps({"auths": {key: {"auth": "x"} for key in keys}})

    after = json.loads(without_login(text, "docker.io"))["auths"]

    assert list(after) == ["docker.io/team", "q.io"]


@pytest.mark.parametrize("text", ["", "{}", '{ "auths" : {"other.io": {}} }\n'])
def test_a_logout_without_a_login_changes_nothing(text: str) -> None:
    assert without_login(text, "q.io") == text


BROKEN = [
    (f'{{"auths": "{SECRET}', "is not valid JSON"),
    (f'["{SECRET}"]', "does not hold a JSON object"),
    (f'{{"auths": ["{SECRET}"]}}', 'has an "auths" that is not a JSON object'),
    ('{"auths": {}, "x": NaN}', "is not valid JSON"),
    ('{"auths": null}', 'has an "auths" that is not a JSON object'),
    ('{"a":' * 100_000, "is not valid JSON"),
]


@pytest.mark.parametrize(("text", "reason"), BROKEN)
def test_a_broken_file_is_refused_without_showing_it(text: str, reason: str) -> None:
    changes: list[Callable[[], str]] = [
        lambda: with_login(text, "q.io", "me", "password"),
        lambda: without_login(text, "q.io"),
    ]
    for change in changes:
        with pytest.raises(BrokenAuthFile, match=reason) as caught:
            change()
        told = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
        assert SECRET not in told


@pytest.mark.parametrize("key", ["q.io", "q.io/team"])
def test_a_registry_whose_passwords_a_program_keeps_is_left_to_it(key: str) -> None:
    text = '{"credHelpers": {"https://q.io": "pass"}}'

    with pytest.raises(BrokenAuthFile, match="to the program 'docker-credential-pass'"):
        with_login(text, key, "me", SECRET)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
OTHER_KEYS = st.text().filter(lambda key: key not in ("auths", "credHelpers"))


@given(
    others=st.dictionaries(OTHER_KEYS, JSON, max_size=4),
    auths=st.none() | st.dictionaries(st.text(), JSON, max_size=4),
    indent=st.sampled_from([None, 1, 4, "\t"]),
)
def test_whatever_else_is_in_a_file_survives_login_and_logout(
    others: dict[str, object], auths: dict[str, object] | None, indent: int | str | None
) -> None:
    content = others if auths is None else {**others, "auths": auths}
    kept = {**others, "auths": auths or {}}

    logged_in = with_login(json.dumps(content, indent=indent), "registry.example", "me", SECRET)
    logged_out = without_login(logged_in, "registry.example")

    after = json.loads(logged_in)
    assert json.loads(logged_out) == kept
    assert list(after) == list(kept)
    assert after["auths"].pop("registry.example") == {"auth": encode("me")}
    assert after == kept


# On the disk


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_may_read_the_file_and_enter_new_directories(
    tmp_path: Path, umask: int
) -> None:
    file = tmp_path / "run/containers/auth.json"
    before = os.umask(umask)
    try:
        store_login(file, "q.io", "me", SECRET)
    finally:
        os.umask(before)

    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file, *file.parents[:2])]
    assert modes == [0o600, 0o700, 0o700]
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    file.write_text("{}")
    file.chmod(0o644)

    store_login(file, "q.io", "me", SECRET)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_link_stays_one_and_its_target_is_changed(tmp_path: Path) -> None:
    target = tmp_path / "dotfiles/auth.json"
    target.parent.mkdir()
    target.write_text("{}")
    link = tmp_path / "auth.json"
    link.symlink_to("dotfiles/auth.json")

    store_login(link, "q.io", "me", SECRET)

    assert link.readlink().as_posix() == "dotfiles/auth.json"
    assert "q.io" in json.loads(target.read_text())["auths"]
    assert remove_login(link, "q.io")
    assert json.loads(target.read_text()) == {"auths": {}}


def make_directory(path: Path) -> None:
    path.mkdir()


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_null(path: Path) -> None:
    path.symlink_to("/dev/null")


def make_huge(path: Path) -> None:
    path.write_bytes(b" " * (4 * 1024 * 1024 + 1))


def make_binary(path: Path) -> None:
    path.write_bytes(b'{"auths": {"\xff": 1}}')


def make_broken(path: Path) -> None:
    path.write_text(f'{{"auths": {{"{SECRET}')


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_directory, "Is a directory"),
        (make_loop, "Too many levels of symbolic links"),
        (make_null, "is not a regular file; it was not changed"),
        (make_huge, "is not a file of logins; it was not changed"),
        (make_binary, "is not a file of logins; it was not changed"),
        (make_broken, "is not valid JSON; it was not changed"),
    ],
)
def test_what_is_no_such_file_is_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    file = tmp_path / "auth.json"
    make(file)
    before = (file.lstat().st_ino, file.lstat().st_mtime_ns)

    with pytest.raises(ConfigError, match=f"{file}.*{reason}") as caught:
        store_login(file, "q.io", "me", "password")

    assert SECRET not in str(caught.value)
    assert (file.lstat().st_ino, file.lstat().st_mtime_ns) == before
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)  # noqa: PTH116 (the very file)
    assert list(tmp_path.iterdir()) == [file]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=r"auth.json cannot be changed: .*name another file"):
        store_login(tmp_path / "file/auth.json", "q.io", "me", SECRET)


def test_a_logout_makes_no_file(tmp_path: Path) -> None:
    assert not remove_login(tmp_path / "run/auth.json", "q.io")
    assert list(tmp_path.iterdir()) == []


def log_in_often(file: Path, name: str) -> None:
    for number in range(20):
        store_login(file, f"{name}-{number}.io", "me", SECRET)


def test_logins_at_the_same_time_are_all_remembered(tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    link = tmp_path / "elsewhere/link.json"
    link.parent.mkdir()
    link.symlink_to(file)
    context = multiprocessing.get_context("fork")
    jobs = [
        context.Process(target=log_in_often, args=(path, name))
        for path, name in ((file, "a"), (link, "b"), (file, "c"))
    ]

    for job in jobs:
        job.start()
    for job in jobs:
        job.join()

    assert [job.exitcode for job in jobs] == [0, 0, 0]
    assert len(json.loads(file.read_text())["auths"]) == 60
