"""Who owns something, and whether that owner still lives."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.system import process_identity
from ramalama.system.process_identity import ProcessIdentity, ProcessState

if TYPE_CHECKING:
    from collections.abc import Generator

IDENTITY_OF_A_CHILD = """\
from ramalama.system import process_identity
from ramalama.system.process_identity import ProcessIdentity
print(ProcessIdentity.of_this_process().format())
"""


WITHOUT_PROCFS = """\
from pathlib import Path
from ramalama.system import process_identity
process_identity._PROCFS = Path("/nowhere")
"""


def a_dead_process(*, program: str = IDENTITY_OF_A_CHILD) -> ProcessIdentity:
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    identity = ProcessIdentity.parse(done.stdout.strip())
    assert identity is not None
    return identity


def test_a_lease_reads_as_it_was_written() -> None:
    identity = ProcessIdentity(host="0123abcd", pid=42, start=4711)

    assert identity.format() == "0123abcd-42-4711"
    assert ProcessIdentity.parse("0123abcd-42-4711") == identity


def test_the_process_that_asks_is_alive() -> None:
    identity = ProcessIdentity.of_this_process()

    assert identity.pid == os.getpid()
    assert identity.state() is ProcessState.ALIVE


def test_a_process_that_has_ended_is_dead() -> None:
    assert a_dead_process().state() is ProcessState.DEAD


def test_a_process_is_told_from_another_one_that_got_its_number() -> None:
    mine = ProcessIdentity.of_this_process()

    assert replace(mine, start=mine.start + 1).state() is ProcessState.DEAD


def test_a_child_that_has_not_been_waited_for_is_dead() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", IDENTITY_OF_A_CHILD], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        identity = ProcessIdentity.parse(child.stdout.readline().strip())
        assert identity is not None
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now

        assert Path(f"/proc/{child.pid}").exists()
        assert identity.state() is ProcessState.DEAD


def test_a_programs_name_cannot_forge_its_state(tmp_path: Path) -> None:
    """The name stands before the state in proc(5) `stat`, and may hold blanks and parentheses."""
    odd = tmp_path / ") Z 1 (x) Z 1"
    odd.symlink_to(sys.executable)
    program = f"{IDENTITY_OF_A_CHILD}import sys; sys.stdout.flush(); sys.stdin.read()"
    with subprocess.Popen(
        [odd, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHOME": sys.base_prefix},
    ) as child:  # fmt: skip
        assert child.stdout is not None
        identity = ProcessIdentity.parse(child.stdout.readline().strip())
        assert identity is not None

        state = identity.state()
        child.kill()

    assert state is ProcessState.ALIVE


def test_a_process_of_another_machine_or_container_is_unknown() -> None:
    mine = ProcessIdentity.of_this_process()
    elsewhere = "00000000" if mine.host != "00000000" else "ffffffff"

    assert replace(mine, host=elsewhere).state() is ProcessState.UNKNOWN


def test_a_later_process_of_this_machine_has_a_later_start() -> None:
    mine, child = ProcessIdentity.of_this_process(), a_dead_process()

    assert child.host == mine.host
    assert child.pid != mine.pid
    assert child.start > mine.start > 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "0123abcd-42",
        "0123abcd-42-4711-",
        "0123abcd-42-4711\n",
        "0123ABCD-42-4711",
        "0123abcd-0-4711",
        "0123abcd--1-4711",
        "0123abcd-42-x",
        "0123abcd-٤٢-4711",
        "0123abcd-99999999999-4711",
        "0123abcd-42-" + "9" * 21,
        " 0123abcd-42-4711",
        "../../etc-42-4711",
    ],
)
def test_what_is_no_lease_is_none(text: str) -> None:
    assert ProcessIdentity.parse(text) is None


def test_a_number_that_no_process_can_have_is_dead() -> None:
    identity = replace(ProcessIdentity.of_this_process(), pid=9_999_999_999)

    assert identity.state() is ProcessState.DEAD


@pytest.fixture
def without_procfs(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """A host like macOS; psutil, which has other sources there, still uses this one's /proc."""
    monkeypatch.setattr(process_identity, "_PROCFS", Path("/nowhere"))
    cached = process_identity._this_host  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] (a host changes in no other place)
    cached.cache_clear()
    yield
    cached.cache_clear()


@pytest.mark.usefixtures("without_procfs")
def test_without_procfs_a_process_is_known_by_its_start_too() -> None:
    mine = ProcessIdentity.of_this_process()
    dead = a_dead_process(program=WITHOUT_PROCFS + IDENTITY_OF_A_CHILD)

    assert mine.state() is ProcessState.ALIVE
    assert replace(mine, start=mine.start + 1).state() is ProcessState.DEAD
    assert dead.host == mine.host
    assert dead.start > mine.start > 0
    assert dead.state() is ProcessState.DEAD
    assert replace(mine, pid=9_999_999_999).state() is ProcessState.DEAD


@pytest.mark.usefixtures("without_procfs")
def test_without_procfs_a_zombie_is_dead() -> None:
    program = WITHOUT_PROCFS + IDENTITY_OF_A_CHILD
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as p:
        assert p.stdout is not None
        identity = ProcessIdentity.parse(p.stdout.readline().strip())
        assert identity is not None
        os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOWAIT)

        assert identity.state() is ProcessState.DEAD
