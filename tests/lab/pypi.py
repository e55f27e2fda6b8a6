"""Python programs that others wrote, each in an environment of its own: none gets into ours."""

from __future__ import annotations

import os
import subprocess
import venv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.service import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Installation:
    """A package of PyPI, installed below *directory* with all that it needs."""

    directory: Path

    def program(self, name: str) -> str:
        """Return the path of one of its programs."""
        return str(self.directory / "bin" / name)

    def run(self, script: str, *arguments: str, env: Mapping[str, str]) -> str:
        """Run a script with it, in nothing but this environment; return what it prints."""
        return _run([self.program("python"), "-c", script, *arguments], env)


def install(directory: Path, requirement: str) -> Installation:
    """Install *requirement* from PyPI, or wherever the user's pip gets its packages."""
    venv.create(directory, with_pip=True)
    installation = Installation(directory)
    command = [installation.program("pip"), "install", "--quiet", "--no-compile", requirement]
    _run(command, os.environ)
    return installation


def _run(command: list[str], env: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], **env},
    )
    if done.returncode != 0:
        msg = f"{command!r} failed:\n{done.stdout}{done.stderr}"
        raise LabError(msg)
    return done.stdout
