"""The directory of one test run, and the certainty that nothing outlives it.

Every process of the lab bears the directory's path in its arguments or its environment, or
descends from one that does; whatever else the lab makes is entered in the directory's list of
undo commands. So a run that was killed can be cleaned up by the next one, which knows it by its
lock: the lock of a living run is held.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

# On a disk, which overlay file systems want, and short, which socket paths want.
_PARENT: Final = Path("/var/tmp")  # noqa: S108 (the name in it is unpredictable)
_PREFIX: Final = "ramalama-lab-"
_UNDO: Final = "undo"


@contextmanager
def scratch_directory() -> Generator[Path]:
    """Make a directory for one run, first removing what killed runs left, and remove it after.

    Other users may look inside: the rootless services run as one.
    """
    remove_abandoned()
    handle, lock = tempfile.mkstemp(prefix=_PREFIX, suffix=".lock", dir=_PARENT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    directory = Path(lock).with_suffix("")
    directory.mkdir()
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        _remove(directory)
        Path(lock).unlink()
        os.close(handle)


def remove_abandoned() -> None:
    """Remove what runs left behind that were killed."""
    for lock in _PARENT.glob(f"{_PREFIX}*.lock"):
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            _remove(lock.with_suffix(""))
            lock.unlink(missing_ok=True)


def undo_at_the_end(directory: Path, *command: str) -> None:
    """Enter a command that is run when the directory is removed, last entered first."""
    with (directory / _UNDO).open("a") as file:
        file.write(f"{json.dumps(command)}\n")


def kill_processes(directory: Path) -> None:
    """Kill every process that belongs to *directory*, until there is none."""
    while pids := set(_processes(directory)):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _remove(directory: Path) -> None:
    if not directory.exists():
        return
    kill_processes(directory)
    for mount in _mounts(directory):
        _run("umount", "--lazy", mount)
    undo = directory / _UNDO
    for line in reversed(undo.read_text().splitlines() if undo.exists() else []):
        _run(*json.loads(line))
    # A mount may take a moment to go, and its directory cannot be removed before.
    for _ in range(50):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.1)
    shutil.rmtree(directory)


def _run(program: str, *arguments: str) -> None:
    """Run a command whose work may be done already; what it then says is of no interest."""
    command = [shutil.which(program) or program, *arguments]
    subprocess.run(command, check=False, capture_output=True)


def _mounts(directory: Path) -> Sequence[str]:
    """List the mount points below *directory*, deepest first; proc_pid_mountinfo(5)."""
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    below = (_unescaped(point) for point in points if point.startswith(f"{directory}/"))
    return sorted(below, key=len, reverse=True)


def _unescaped(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)


def _processes(directory: Path) -> Iterator[int]:
    """Yield the processes that name *directory*, and their descendants; never our own."""
    parents: dict[int, int] = {}
    belonging: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                pid = int(entry.name)
                status = (entry / "stat").read_text().rpartition(")")[2].split()
                if status[0] == "Z":
                    continue
                parents[pid] = int(status[1])
                text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                if os.fsencode(directory) in text:
                    belonging.add(pid)
    ours = set(_ancestry(os.getpid(), parents))
    for pid in parents:
        if pid not in ours and not belonging.isdisjoint(_ancestry(pid, parents)):
            yield pid


def _ancestry(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid in parents:
        yield pid
        pid = parents[pid]
