"""Directories that a hostile program has filled are removed, whatever it has put there."""

from __future__ import annotations

import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.system.removal import Leftover, remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

MINUTE = 60.0


@pytest.fixture
def place() -> Generator[Path]:
    """A directory that is removed even if the test fails; pytest could not do it."""
    path = Path(tempfile.mkdtemp(prefix="rl-"))
    yield path
    subprocess.run(["/bin/rm", "-rf", str(path)], check=True)


def deep(top: Path, *, levels: int = 3000) -> None:
    """Nest more directories than Python can recurse and than a path can name."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        (above, here) = (here, os.open("d", os.O_RDONLY, dir_fd=here))
        os.close(above)
    os.close(here)


def wide(top: Path) -> None:
    for number in range(20_000):
        (top / str(number)).touch()


def inaccessible(top: Path) -> None:
    """Make directories and files that not even their owner may open."""
    for name in ("a", "a/b", "a/b/c", "a/b/c/d"):
        (top / name).mkdir()
        (top / name / "file").touch(mode=0o000)
    for name in ("a/b/c/d", "a/b/c", "a/b", "a"):
        (top / name).chmod(0o000)
    top.chmod(0o000)


def read_only(top: Path) -> None:
    for name in ("a", "a/b", "a/b/c"):
        (top / name).mkdir()
        (top / name / "file").touch()
    for name in ("a/b/c", "a/b", "a"):
        (top / name).chmod(0o500)
    top.chmod(0o500)


def links(top: Path) -> None:
    (top / "file").symlink_to(top.parent / "precious/file")
    (top / "directory").symlink_to(top.parent / "precious")
    (top / "sub").mkdir()
    (top / "sub/up").symlink_to("..")
    (top / "sub/precious").symlink_to("../../precious")
    (top / "hard").hardlink_to(top.parent / "precious/file")


@pytest.mark.parametrize("fill", [deep, wide, inaccessible, read_only, links])
def test_a_directory_is_removed_whatever_is_in_it_and_nothing_else(
    place: Path, fill: Callable[[Path], None]
) -> None:
    (place / "precious").mkdir()
    (place / "precious/file").write_text("kept")
    (place / "top").mkdir()
    fill(place / "top")

    assert remove_tree(place / "top", seconds=MINUTE) is None
    assert [path.name for path in place.iterdir()] == ["precious"]
    assert (place / "precious/file").read_text() == "kept"


def test_a_removal_ends_when_its_time_is_over_and_a_later_one_goes_on(place: Path) -> None:
    top = place / "top"
    top.mkdir()
    deep(top)

    assert remove_tree(top, seconds=0) == Leftover(reason=None)
    assert top.exists()
    assert remove_tree(top, seconds=MINUTE) is None
    assert not top.exists()


def test_several_may_remove_the_same_directory_at_once(place: Path) -> None:
    top = place / "top"
    top.mkdir()
    deep(top, levels=300)
    wide(top)

    def remove() -> Leftover | None:
        return remove_tree(top, seconds=MINUTE)

    with ThreadPoolExecutor(4) as pool:
        left = {each.result() for each in [pool.submit(remove) for _ in range(4)]}

    assert left <= {None, Leftover(reason=None)}
    assert remove_tree(top, seconds=MINUTE) is None
    assert not top.exists()


def test_a_link_in_the_place_of_the_directory_is_not_followed(place: Path) -> None:
    (place / "precious").mkdir()
    (place / "top").symlink_to("precious")

    left = remove_tree(place / "top", seconds=MINUTE)

    assert left == Leftover(reason="Not a directory")
    assert (place / "precious").exists()


def test_what_is_not_there_need_not_be_removed(place: Path) -> None:
    assert remove_tree(place / "top", seconds=MINUTE) is None
    assert remove_tree(place / "missing/top", seconds=MINUTE) is None
