"""A directory that only some processes see, as if they were on another host."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.lab.service import program

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

_HOLD: Final = "mount -t tmpfs -o mode=755,size=512m tmpfs {directory} && echo ready && exec cat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A mount namespace in which *directory* is a file system of its own, kept by *process*."""

    directory: Path
    process: int

    def command(self, *words: str) -> Sequence[str]:
        """Return what to execute so that *words* see what is in the directory."""
        return (program("nsenter"), f"--mount=/proc/{self.process}/ns/mnt", *words)

    def copy(self, source: Path) -> Path:
        """Copy a file into the directory, and return its path there."""
        target = self.directory / source.name
        subprocess.run(self.command("cp", str(source), str(target)), check=True)
        return target


@contextmanager
def hidden(directory: Path) -> Generator[Hidden]:
    """Hide what will be in *directory*, which is empty for all others, until the block ends."""
    directory.mkdir()
    script = _HOLD.format(directory=directory)
    command = (program("unshare"), "--mount", program("sh"), "-c", script)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        try:
            yield Hidden(directory=directory, process=holder.pid)
        finally:
            holder.terminate()
