"""The files of known hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from ramalama_engines.ssh.host_keys import add_known_key, read_known_keys

if TYPE_CHECKING:
    from pathlib import Path


def new_key() -> asyncssh.SSHKey:
    made: Any = asyncssh.generate_private_key("ssh-ed25519")  # pyright: ignore[reportUnknownMemberType]
    key: asyncssh.SSHKey = made.convert_to_public()
    return key


def line(names: str, key: asyncssh.SSHKey) -> str:
    return f"{names} {key.export_public_key().decode()}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".ssh/known_hosts"


@pytest.mark.parametrize("hashed", [False, True])
def test_a_key_that_is_added_is_known(hashed: bool, file: Path) -> None:  # noqa: FBT001
    key, other = new_key(), new_key()

    add_known_key(file, key, name="[box]:2222", hashed=hashed)
    add_known_key(file, other, name="other", hashed=hashed)

    assert read_known_keys([file], name="[box]:2222").keys == [key]
    assert read_known_keys([file], name="other").keys == [other]
    assert read_known_keys([file], name="box").trusted == []
    assert ("box" in file.read_text()) is not hashed
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_key_is_added_on_a_line_of_its_own(file: Path) -> None:
    key, other = new_key(), new_key()
    file.parent.mkdir()
    file.write_text(line("other", other).rstrip("\n"))

    add_known_key(file, key, name="box", hashed=False)

    assert read_known_keys([file], name="other").keys == [other]
    assert read_known_keys([file], name="box").keys == [key]


def test_patterns_and_markers_are_heeded(file: Path) -> None:
    key, authority, revoked = new_key(), new_key(), new_key()
    file.parent.mkdir()
    file.write_text(
        line("*.example.org,!bad.example.org", key)
        + line("@cert-authority good.*", authority)
        + line("@revoked *", revoked)
    )

    good = read_known_keys([file], name="good.example.org")
    bad = read_known_keys([file], name="bad.example.org")

    assert (good.keys, good.authorities, good.revoked) == ([key], [authority], [revoked])
    assert bad.keys == []
    assert good.algorithms[0] == "ssh-ed25519-cert-v01@openssh.com"
    assert not any("cert" in name for name in bad.algorithms)


def test_the_key_of_the_usual_port_is_good_for_another_but_says_nothing_against_one(
    file: Path,
) -> None:
    key = new_key()
    file.parent.mkdir()
    file.write_text(line("box", key))

    known = read_known_keys([file], name="[box]:2222")

    assert known.trusted == [key]
    assert not known.has_other(new_key())


def test_a_special_file_takes_keys_and_knows_none(tmp_path: Path) -> None:
    null = tmp_path / "null"
    null.symlink_to("/dev/null")

    add_known_key(null, new_key(), name="box", hashed=False)

    assert read_known_keys([null, tmp_path / "missing"], name="box").trusted == []
