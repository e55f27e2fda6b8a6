"""Who owns something, and whether that owner still lives."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ramalama.system.process_identity import Lease, Owner

LEASE_OF_A_CHILD = (
    "from ramalama.system.process_identity import Lease; print(Lease.of_this_process().format())"
)


def lease_of_a_dead_process() -> Lease:
    done = subprocess.run(
        [sys.executable, "-c", LEASE_OF_A_CHILD], check=True, capture_output=True, text=True
    )
    lease = Lease.parse(done.stdout.strip())
    assert lease is not None
    return lease


def test_a_lease_reads_as_it_was_written() -> None:
    lease = Lease(host="0123abcd", pid=42, start=4711)

    assert lease.format() == "0123abcd-42-4711"
    assert Lease.parse("0123abcd-42-4711") == lease


def test_the_process_that_asks_is_alive() -> None:
    lease = Lease.of_this_process()

    assert lease.pid == os.getpid()
    assert lease.owner() is Owner.ALIVE


def test_a_process_that_has_ended_is_dead() -> None:
    assert lease_of_a_dead_process().owner() is Owner.DEAD


def test_a_process_is_told_from_another_one_that_got_its_number() -> None:
    mine = Lease.of_this_process()

    assert replace(mine, start=mine.start + 1).owner() is Owner.DEAD


def test_a_child_that_nobody_has_waited_for_is_dead() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LEASE_OF_A_CHILD], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        lease = Lease.parse(child.stdout.readline().strip())
        assert lease is not None
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now

        assert Path(f"/proc/{child.pid}").exists()
        assert lease.owner() is Owner.DEAD


def test_a_programs_name_cannot_forge_its_state(tmp_path: Path) -> None:
    """The name stands before the state in proc(5) `stat`, and may hold blanks and parentheses."""
    odd = tmp_path / ") Z 1 (x) Z 1"
    odd.symlink_to(sys.executable)
    program = f"{LEASE_OF_A_CHILD}; import sys; sys.stdout.flush(); sys.stdin.read()"
    with subprocess.Popen(
        [odd, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHOME": sys.base_prefix},
    ) as child:  # fmt: skip
        assert child.stdout is not None
        lease = Lease.parse(child.stdout.readline().strip())
        assert lease is not None

        owner = lease.owner()
        child.kill()

    assert owner is Owner.ALIVE


def test_a_process_of_another_machine_or_container_is_unknown() -> None:
    mine = Lease.of_this_process()
    elsewhere = "00000000" if mine.host != "00000000" else "ffffffff"

    assert replace(mine, host=elsewhere).owner() is Owner.UNKNOWN


def test_a_later_process_of_this_machine_has_a_later_start() -> None:
    mine, child = Lease.of_this_process(), lease_of_a_dead_process()

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
    assert Lease.parse(text) is None


def test_a_number_that_no_process_can_have_is_dead() -> None:
    lease = replace(Lease.of_this_process(), pid=9_999_999_999)

    assert lease.owner() is Owner.DEAD
