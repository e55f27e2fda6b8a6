"""Identify the process that owns a container or directory, and find out whether it still runs.

An identity is written ``HOST-PID-START``. HOST is a digest of the kernel's boot ID and of the PID
namespace, since a process ID is unique only there. START is the process's start time in clock ticks
after boot, since process IDs are reused (proc(5), ``/proc/pid/stat``, field 22); where there is no
procfs, it is in milliseconds after 1970, as psutil knows it.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from enum import Enum, auto
from functools import cache
from pathlib import Path
from typing import Self

from ramalama_values import frozen

_FORMAT = r"([0-9a-f]{8})-([1-9][0-9]{0,9})-([0-9]{1,20})"
_PROCFS = Path("/proc")


class ProcessState(Enum):
    """Whether a process still runs."""

    ALIVE = auto()
    DEAD = auto()
    UNKNOWN = auto()
    """It ran under another kernel, in another PID namespace, or is hidden from this process."""


@frozen(kw_only=False)
class ProcessIdentity:
    """The identity of a process, which stays valid after the process has ended."""

    host: str
    pid: int
    start: int

    @classmethod
    def of_this_process(cls) -> Self:
        """Return the identity of the calling process."""
        pid = os.getpid()
        return cls(host=_this_host(), pid=pid, start=_start_time(pid) or 0)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse the output of `format`; return None for anything else (labels are not trusted)."""
        match = re.fullmatch(_FORMAT, text)
        if match is None:
            return None
        host, pid, start = match.groups()
        return cls(host=host, pid=int(pid), start=int(start))

    def format(self) -> str:
        """Return the identity as ``HOST-PID-START``."""
        return f"{self.host}-{self.pid}-{self.start}"

    def state(self) -> ProcessState:
        """Return whether the process still runs."""
        if self.host != _this_host():
            return ProcessState.UNKNOWN
        try:
            alive = _start_time(self.pid) == self.start
        except PermissionError:
            return ProcessState.UNKNOWN
        return ProcessState.ALIVE if alive else ProcessState.DEAD


@cache
def _this_host() -> str:
    try:
        boot = (_PROCFS / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = (_PROCFS / "self/ns/pid").stat().st_ino
    except OSError:  # not Linux: one kernel, no namespaces
        from ramalama.system.boot_session import boot_session  # noqa: PLC0415 (not on Linux)

        boot, namespace = boot_session(), 0
    return hashlib.sha256(f"{boot}/{namespace}".encode()).hexdigest()[:8]


def _start_time(pid: int) -> int | None:
    """Return a process's start time; None for no process, or for a zombie.

    Raises:
        PermissionError: it is hidden from this process.
    """
    try:
        stat = (_PROCFS / f"{pid}/stat").read_bytes()
    except OSError:
        if not (_PROCFS / "self/stat").exists():
            return _without_procfs(pid)
        _refuse_hidden(pid)
        return None
    # The second field is the program's name in parentheses, which may hold anything.
    state, *fields = stat[stat.rindex(b")") + 2 :].split()
    return None if state in b"ZX" else int(fields[18])


def _refuse_hidden(pid: int) -> None:
    """Raise PermissionError for a process that procfs does not show (proc(5), `hidepid`)."""
    with suppress(ProcessLookupError, OverflowError):
        os.kill(pid, 0)
        raise PermissionError


def _without_procfs(pid: int) -> int | None:
    import psutil  # noqa: PLC0415 (not installed on Linux)

    try:
        process = psutil.Process(pid)
        is_zombie = process.status() == psutil.STATUS_ZOMBIE
        return None if is_zombie else round(process.create_time() * 1000)
    except (psutil.NoSuchProcess, OverflowError):
        return None
    except psutil.AccessDenied as exc:
        raise PermissionError from exc
