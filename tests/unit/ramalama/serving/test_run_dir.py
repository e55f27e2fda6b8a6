"""The private directories of the servers."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ConfigError
from ramalama.serving.cleanup import remove_directories
from ramalama.serving.run_dir import ServerDir, default_run_dir, ensure_private, new_server_dir
from ramalama.system.process_identity import ProcessIdentity
from tests.unit.ramalama.made_up import LEASE

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = 65534


@pytest.fixture(params=[0o022, 0o000, 0o077], ids=["umask-022", "umask-000", "umask-077"])
def _any_umask(request: pytest.FixtureRequest) -> object:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.usefixtures("_any_umask")
def test_directory_and_key_are_for_the_user_alone_whatever_the_umask(run_dir: Path) -> None:
    instance = new_server_dir(run_dir / "ramalama", LEASE)

    instance.make()
    instance.write("api-key", "secret\n")

    key = instance.path / "api-key"
    assert [mode(path) for path in (run_dir / "ramalama", instance.path, key)] == [
        *(0o700, 0o700, 0o600),
    ]
    assert key.read_text() == "secret\n"


def test_naming_a_directory_creates_nothing(run_dir: Path) -> None:
    instance = new_server_dir(run_dir / "ramalama", LEASE)

    assert instance.path.parent == run_dir / "ramalama"
    assert instance.path.name.startswith("0123abcd-42-4711-")
    assert instance.socket == instance.path / "api.sock"
    assert not (run_dir / "ramalama").exists()


def test_two_servers_of_one_owner_get_two_directories(run_dir: Path) -> None:
    assert new_server_dir(run_dir, LEASE) != new_server_dir(run_dir, LEASE)


def test_a_directory_is_removed_with_all_in_it_and_a_second_time_is_no_error(
    run_dir: Path,
) -> None:
    instance = new_server_dir(run_dir, LEASE)
    instance.make()
    instance.write("api-key", "secret\n")
    (instance.path / "sub").mkdir()
    (instance.path / "sub" / "file").touch()

    instance.remove()
    instance.remove()

    assert list(run_dir.iterdir()) == []


def refused(run_dir: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        new_server_dir(run_dir, LEASE).make()
    return str(caught.value)


def test_a_link_in_the_place_of_the_directory_is_refused(run_dir: Path) -> None:
    (run_dir / "elsewhere").mkdir(mode=0o700)
    (run_dir / "link").symlink_to("elsewhere")

    assert "link is not a private directory of yours" in refused(run_dir / "link")


@pytest.mark.parametrize("bits", [0o770, 0o707, 0o777])
def test_a_directory_that_others_may_write_to_is_refused(run_dir: Path, bits: int) -> None:
    (run_dir / "open").mkdir()
    (run_dir / "open").chmod(bits)

    assert "is not a private directory of yours" in refused(run_dir / "open")


def test_a_directory_of_somebody_else_is_refused(run_dir: Path) -> None:
    """Only root can give a directory away; anybody else finds one of root's."""
    directory = run_dir / "foreign"
    if os.geteuid() == 0:
        directory.mkdir(mode=0o700)
        os.chown(directory, NOBODY, NOBODY)
    else:
        directory.symlink_to("/root")

    assert "is not a private directory of yours" in refused(directory)


def test_a_file_in_the_place_of_the_directory_is_refused(run_dir: Path) -> None:
    (run_dir / "file").touch()

    assert "is not a private directory of yours" in refused(run_dir / "file")
    assert "cannot create" in refused(run_dir / "file" / "below")


def test_a_full_disk_is_an_error_of_ours() -> None:
    """No file may grow in this child, which to it looks like a file system that is full."""
    program = """if True:
        import resource, tempfile
        from pathlib import Path
        from ramalama.errors import ConfigError
        from ramalama.system.process_identity import ProcessIdentity
        from ramalama.serving.run_dir import new_server_dir
        with tempfile.TemporaryDirectory(prefix="rl-") as directory:
            instance = new_server_dir(Path(directory), ProcessIdentity("0123abcd", 1, 1))
            instance.make()
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
            try:
                instance.write("api-key", "secret")
            except ConfigError as exc:
                print(exc)
    """
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert done.stdout.startswith("cannot create ")
    assert "File too large" in done.stdout
    assert "secret" not in done.stdout


def test_a_path_too_long_for_a_socket_is_refused_before_anything_is_created(
    run_dir: Path,
) -> None:
    deep = run_dir / ("x" * 80)

    with pytest.raises(ConfigError, match="is too long for a socket; set XDG_RUNTIME_DIR"):
        new_server_dir(deep, LEASE)

    assert not deep.exists()


def test_the_length_of_a_path_is_counted_in_bytes(run_dir: Path) -> None:
    with pytest.raises(ConfigError, match="too long"):
        new_server_dir(run_dir / ("🦭" * 20), LEASE)


@pytest.mark.parametrize(
    ("env", "uid", "expected"),
    [
        ({"XDG_RUNTIME_DIR": "/run/user/7"}, 7, "/run/user/7/ramalama"),
        ({}, 0, "/run/ramalama"),
        ({"XDG_RUNTIME_DIR": ""}, 0, "/run/ramalama"),
        ({"XDG_RUNTIME_DIR": "."}, 0, "/run/ramalama"),
        ({}, 4_000_000_001, "/tmp/ramalama-4000000001"),  # noqa: S108 (see _ensure_private)
    ],
)
def test_servers_live_where_nothing_outlives_the_boot(
    env: dict[str, str], uid: int, expected: str
) -> None:
    assert str(default_run_dir(env, uid=uid)) == expected


def test_a_name_that_another_user_has_taken_is_not_used(run_dir: Path) -> None:
    uid = os.getuid() + 1
    names = [f"ramalama-{uid}", f"ramalama-{uid}-1"]
    for name in names:
        (run_dir / name).mkdir()

    assert default_run_dir({}, uid=uid, temporary=run_dir) == run_dir / f"ramalama-{uid}-2"


def test_all_processes_of_a_user_agree_on_a_directory_whoever_takes_which_name(
    run_dir: Path,
) -> None:
    uid = os.getuid() or 65534
    own = run_dir / f"ramalama-{uid}-1"
    own.mkdir()
    os.chown(own, uid, -1)

    assert default_run_dir({}, uid=uid, temporary=run_dir) == own


def test_where_other_users_have_taken_all_names_the_variable_is_named(run_dir: Path) -> None:
    path = run_dir / "taken"
    path.mkdir(mode=0o777)
    path.chmod(0o777)

    with pytest.raises(ConfigError, match="set XDG_RUNTIME_DIR to a directory of yours"):
        ensure_private(path)


def test_directories_of_dead_owners_are_removed_and_all_others_stay(run_dir: Path) -> None:
    mine = ProcessIdentity.of_this_process()
    dead = replace(mine, start=mine.start + 1)
    unknown = replace(mine, host="00000000")
    for identity in (mine, dead, unknown):
        ServerDir(run_dir / f"{identity.format()}-00ff").make()
    (run_dir / "something-else").mkdir()
    (run_dir / f"{dead.format()}-00ff" / "api.sock").touch()

    assert remove_directories(run_dir) == 1
    assert {path.name for path in run_dir.iterdir()} == {
        f"{mine.format()}-00ff",
        f"{unknown.format()}-00ff",
        "something-else",
    }


def test_a_link_with_a_dead_owners_name_leads_nowhere(run_dir: Path) -> None:
    mine = ProcessIdentity.of_this_process()
    dead = replace(mine, start=mine.start + 1)
    (run_dir / "precious").mkdir()
    (run_dir / "precious" / "file").touch()
    (run_dir / f"{dead.format()}-00ff").symlink_to("precious")
    ServerDir(run_dir / f"{dead.format()}-00fe").make()

    remove_directories(run_dir)

    assert (run_dir / "precious" / "file").exists()
    assert not (run_dir / f"{dead.format()}-00fe").exists()


def test_a_removal_whose_time_was_over_is_continued_whoever_lives(run_dir: Path) -> None:
    instance = new_server_dir(run_dir, ProcessIdentity.of_this_process())
    instance.make()
    (instance.path / "a/b").mkdir(parents=True)
    (instance.path / "c/d").mkdir(parents=True)

    assert instance.remove(seconds=0) is False
    assert not instance.path.exists()

    assert remove_directories(run_dir) == 1
    assert list(run_dir.iterdir()) == []


def test_what_cannot_be_removed_is_told_once_with_its_path(
    run_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mine = ProcessIdentity.of_this_process()
    name = f"{replace(mine, start=mine.start + 1).format()}-00ff"
    (run_dir / name).symlink_to("nowhere")

    assert [remove_directories(run_dir) for _ in range(2)] == [0, 0]
    (told,) = caplog.messages
    assert str(run_dir / f"{name}.left") in told
    assert "remove it yourself" in told
    assert [path.name for path in run_dir.iterdir()] == [f"{name}.left"]


def test_where_nothing_was_ever_started_there_is_nothing_to_remove(run_dir: Path) -> None:
    assert remove_directories(run_dir / "missing") == 0


def test_root_leaves_nothing_in_another_users_runtime_directory(tmp_path: Path) -> None:
    other = os.getuid() + 1

    chosen = default_run_dir({"XDG_RUNTIME_DIR": str(tmp_path)}, uid=other)

    assert tmp_path not in chosen.parents
