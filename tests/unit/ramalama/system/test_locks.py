"""Locks that processes hold, and lose when they die."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ramalama.system.locks import InUse, LockCancelled, locked, locked_directory, refuse_to_wait

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

HOLD = """
import sys, pathlib
from ramalama.system.locks import locked
with locked(pathlib.Path(sys.argv[1]), shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""
WAIT = """
import sys, pathlib
from ramalama.system.locks import locked
try:
    with locked(pathlib.Path(sys.argv[1]), on_wait=lambda: print("waiting", flush=True)):
        print("held", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


class Other:
    """Another process with or after the lock."""

    def __init__(self, script: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "blob.lock"


@pytest.fixture
def holder(lock: Path) -> Generator[Other]:
    other = Other(HOLD, str(lock), "alone")
    assert other.says() == "held"
    yield other
    other.end()


def test_a_free_lock_is_taken_at_once(lock: Path) -> None:
    waits: list[str] = []
    with locked(lock, on_wait=lambda: waits.append("waited")) as waited:
        pass

    assert (waited, waits) == (False, [])


def test_a_lock_can_be_had_again_and_again(lock: Path) -> None:
    for _ in range(2):
        with locked(lock) as waited:
            assert not waited


def test_a_waiting_process_is_notified_once_and_continues_when_the_holder_dies(
    lock: Path, holder: Other
) -> None:
    waits: list[str] = []

    def end_of_holder() -> None:
        waits.append("waited")
        holder.process.kill()

    with locked(lock, on_wait=end_of_holder) as waited:
        pass

    assert (waited, waits) == (True, ["waited"])


def test_several_may_share_a_lock(lock: Path) -> None:
    other = Other(HOLD, str(lock), "shared")
    assert other.says() == "held"

    with locked(lock, shared=True) as waited:
        assert not waited
    other.end()


def test_an_exclusive_lock_waits_for_shared_ones(lock: Path) -> None:
    other = Other(HOLD, str(lock), "shared")
    assert other.says() == "held"

    with locked(lock, on_wait=other.process.kill) as waited:
        assert waited
    other.end()


@pytest.mark.usefixtures("holder")
def test_ctrl_c_ends_the_wait(lock: Path) -> None:
    waiter = Other(WAIT, str(lock))
    assert waiter.says() == "waiting"

    waiter.process.send_signal(signal.SIGINT)

    assert waiter.says() == "interrupted"
    waiter.end()


def test_what_is_raised_while_holding_gives_the_lock_back(lock: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(lock):
        raise ZeroDivisionError

    with locked(lock) as waited:
        assert not waited


def test_a_lock_whose_file_its_holder_removes_is_taken_anew(lock: Path) -> None:
    lock.parent.mkdir()
    first = os.open(lock, os.O_CREAT | os.O_RDWR)
    fcntl.flock(first, fcntl.LOCK_EX)

    def remove() -> None:
        lock.unlink()
        os.close(first)

    with locked(lock, on_wait=remove):
        second = os.open(lock, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(second)


def test_threads_exclude_each_other_too(lock: Path) -> None:
    inside: list[int] = []
    most = 0

    def work() -> None:
        nonlocal most
        for _ in range(20):
            with locked(lock):
                inside.append(1)
                most = max(most, len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 1


@pytest.mark.usefixtures("holder")
def test_a_wait_can_be_called_off_by_another_thread(lock: Path) -> None:
    cancel = threading.Event()
    timer = threading.Timer(0.1, cancel.set)

    with pytest.raises(LockCancelled), locked(lock, on_wait=timer.start, cancel=cancel):
        pass
    timer.join()


def test_a_wait_that_can_be_called_off_ends_with_the_holder_too(lock: Path, holder: Other) -> None:
    with locked(lock, on_wait=holder.process.kill, cancel=threading.Event()) as waited:
        assert waited


@pytest.mark.usefixtures("holder")
def test_whoever_does_not_want_to_wait_is_refused(lock: Path) -> None:
    with pytest.raises(InUse), locked(lock, on_wait=refuse_to_wait):
        pass


def test_a_file_is_made_with_the_permissions_that_are_asked_for(lock: Path) -> None:
    with locked(lock, permissions=0o600):
        assert lock.stat().st_mode & 0o777 == 0o600


def test_a_link_in_the_place_of_a_lock_is_not_followed(lock: Path) -> None:
    lock.parent.mkdir()
    lock.symlink_to(lock.parent / "elsewhere")

    with pytest.raises(OSError, match="symbolic links"), locked(lock):
        pass

    assert not (lock.parent / "elsewhere").exists()


def test_threads_exclude_each_other_from_a_directory_and_leave_nothing_in_it(
    tmp_path: Path,
) -> None:
    inside: list[int] = []
    most = 0

    def work() -> None:
        nonlocal most
        for _ in range(20):
            with locked_directory(tmp_path):
                inside.append(1)
                most = max(most, len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 1
    assert not [*tmp_path.iterdir()]


def test_a_directory_that_its_holder_removes_meanwhile_is_not_there(tmp_path: Path) -> None:
    directory = tmp_path / "server.shared"
    directory.mkdir()
    waiting = threading.Event()
    errors: list[OSError] = []

    def wait() -> None:
        waiting.set()
        try:
            with locked_directory(directory):
                pass
        except FileNotFoundError as exc:
            errors.append(exc)

    thread = threading.Thread(target=wait)
    with locked_directory(directory):
        thread.start()
        waiting.wait()
        time.sleep(0.05)  # until it waits for the kernel
        directory.rmdir()
    thread.join()

    assert len(errors) == 1


def test_a_link_in_the_place_of_a_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    with pytest.raises(NotADirectoryError), locked_directory(tmp_path / "link"):
        pass
