"""Changes that are there at once or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.models.store.atomic import (
    is_linked,
    link,
    remove_empty_above,
    remove_empty_below,
    remove_tree,
    scratch_path,
    size_of_last_names,
    unlink,
    write_whole,
)
from tests.unit.ramalama.models.store.filled import files_below

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def elsewhere() -> Generator[Path]:
    """A directory on another file system than the tests' own."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)


def test_a_file_is_written_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    target, scratch = tmp_path / "a/b.json", tmp_path / "tmp"

    write_whole(target, b"one", scratch=scratch)
    write_whole(target, b"two", scratch=scratch)

    assert files_below(tmp_path) == {"a/b.json"}
    assert target.read_bytes() == b"two"


def test_who_reads_a_file_that_is_replaced_reads_the_old_one_to_its_end(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_whole(target, b"one", scratch=tmp_path / "tmp")
    with target.open("rb") as file:
        write_whole(target, b"two", scratch=tmp_path / "tmp")

        assert file.read() == b"one"


def test_a_file_that_cannot_be_put_in_its_place_is_not_left_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a.json/below").mkdir(parents=True)

    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "a.json", b"one", scratch=tmp_path / "tmp")

    assert files_below(tmp_path) == set()


def test_a_scratch_path_is_gone_in_the_end_whatever_was_made_there(tmp_path: Path) -> None:
    with scratch_path(tmp_path / "tmp") as path:
        (path / "below").mkdir(parents=True)
        (path / "below/file").write_text("x")

    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_link_is_another_name_of_the_same_file(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("x")

    link(source, target, scratch=tmp_path / "tmp")
    link(source, target, scratch=tmp_path / "tmp")

    assert target.samefile(source)
    assert source.stat().st_nlink == 2
    assert is_linked(source, target)


def test_a_link_takes_the_place_of_another_file(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("new")
    target.write_text("old")

    assert not is_linked(source, target)

    link(source, target, scratch=tmp_path / "tmp")

    assert target.read_text() == "new"


def test_a_link_to_another_file_system_is_a_symbolic_one(tmp_path: Path, elsewhere: Path) -> None:
    source, target = elsewhere / "source", tmp_path / "target"
    source.write_text("x")

    link(source, target, scratch=tmp_path / "tmp")
    link(source, target, scratch=tmp_path / "tmp")

    assert target.readlink() == source
    assert is_linked(source, target)


def test_a_link_to_a_symbolic_one_leads_where_that_leads(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    source, target = tmp_path / "source", tmp_path / "target"
    source.symlink_to(tmp_path / "file")

    link(source, target, scratch=tmp_path / "tmp")

    assert target.readlink() == tmp_path / "file"
    assert is_linked(source, target)


def test_removing_a_file_frees_what_it_takes_once_it_has_no_other_name(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"x" * 8192)
    two.hardlink_to(one)

    assert size_of_last_names([one]) == 0
    assert size_of_last_names([one, two]) == 8192
    assert unlink(one) == 0
    assert unlink(two) == 8192
    assert unlink(two) == 0


def test_removing_a_directory_follows_no_link_out_of_it(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    (outside / "below").mkdir(parents=True)
    (outside / "below/file").write_bytes(b"x" * 4096)
    (inside / "a/b").mkdir(parents=True)
    (inside / "a/b/file").write_bytes(b"x" * 4096)
    (inside / "a/link").symlink_to("../../outside/below")
    (inside / "a/file").symlink_to("../../outside/below/file")

    freed = remove_tree(inside)

    assert freed == 4096
    assert not inside.exists()
    assert files_below(outside) == {"below/file"}


def test_empty_directories_go_up_to_the_first_that_is_not(tmp_path: Path) -> None:
    deep = tmp_path / "stop/a/b/c"
    deep.mkdir(parents=True)
    (tmp_path / "stop/a/file").write_text("x")

    remove_empty_above(deep, stop=tmp_path / "stop")

    assert [path.name for path in (tmp_path / "stop/a").iterdir()] == ["file"]

    (tmp_path / "stop/a/file").unlink()
    remove_empty_above(deep, stop=tmp_path / "stop")

    assert list((tmp_path / "stop").iterdir()) == []


def test_a_directory_outside_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "stop").mkdir()
    (tmp_path / "other").mkdir()

    remove_empty_above(tmp_path / "other", stop=tmp_path / "stop")

    assert (tmp_path / "other").is_dir()


def test_empty_directories_below_go_and_files_stay(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    (tmp_path / "c/file").write_text("x")

    remove_empty_below(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["c"]
