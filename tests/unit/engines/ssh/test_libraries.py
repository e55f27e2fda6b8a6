from __future__ import annotations

import ctypes.util
import shutil
from pathlib import Path

import pytest

from ramalama_engines.ssh.libraries import find_library


@pytest.mark.parametrize("name", ["c", "m", "crypto", "nettle", "z", "no-such-library", "."])
def test_the_same_library_is_found_as_by_running_ldconfig(name: str) -> None:
    assert find_library(name) == ctypes.util.find_library(name)


def test_a_library_in_a_directory_of_the_users_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libc = next(Path("/lib").glob("**/libm.so.6"))
    shutil.copy(libc, tmp_path / "liboqs.so.5")
    (tmp_path / "liboqs.so").write_text("INPUT(liboqs.so.5)")  # of no use to ld.so

    monkeypatch.setenv("LD_LIBRARY_PATH", f":/nowhere:{tmp_path}")

    assert find_library("oqs") == str(tmp_path / "liboqs.so.5")


def test_a_library_that_cannot_be_loaded_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "liboqs.so.5").write_bytes(b"\x7fELF of another processor")

    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))

    assert find_library("oqs") is None
