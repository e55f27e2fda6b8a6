"""Directories have the permissions that were asked for, whatever the umask is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ramalama_values.directories import PRIVATE, READABLE, make_directories

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture(params=[0o000, 0o002, 0o077])
def umask(request: pytest.FixtureRequest) -> Generator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("mode", [PRIVATE, READABLE])
def test_missing_parents_have_the_same_permissions(tmp_path: Path, umask: int, mode: int) -> None:
    last = tmp_path / "a/b/c"

    make_directories(last, mode=mode)

    modes = {path.stat().st_mode & 0o777 for path in (last, last.parent, last.parent.parent)}
    assert modes == {mode & ~umask}


def test_a_directory_that_exists_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)

    make_directories(tmp_path, mode=PRIVATE)

    assert tmp_path.stat().st_mode & 0o777 == 0o711


def test_a_file_in_the_place_of_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(FileExistsError):
        make_directories(tmp_path / "file", mode=PRIVATE)
    with pytest.raises(NotADirectoryError):
        make_directories(tmp_path / "file/sub", mode=PRIVATE)
