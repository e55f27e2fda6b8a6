"""A process that is forked while a server runs leaves it to its parent, however it ends."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# A child that hangs is killed by a signal, which the parent prints.
BEGIN = """
import asyncio, os, shutil, signal, sys, tempfile
from pathlib import Path

import ramalama
from ramalama.events import ContainerStarted
from ramalama.serving.health import probe
from tests.unit.ramalama.serving.servers import ServerFixture

def fork():
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        return True
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    return False

def check(server):
    print(probe(server.endpoint, "/health"), len(servers.engine.list({})))

parent = os.getpid()
root = tempfile.mkdtemp(prefix="rl-")
servers = ServerFixture(root=Path(root))
handle = servers.ramalama()
"""

END = """
if os.getpid() != parent:
    sys.exit(0)
print("clean" if servers.is_clean() else "not clean")
handle.close()
servers.__exit__()
shutil.rmtree(root)
"""

BLOCK = """
with handle.serve(servers.options) as server:
    if fork():
        {child}
    else:
        check(server)
"""

SHARED = BLOCK.replace("options)", "options, reuse=True)")

FUNCTION = BLOCK.replace(
    "handle.serve(servers.options", "ramalama.serve(servers.model, using=handle"
)

TASK = """
async def main():
    async with ramalama.aserve(servers.model, using=handle) as server:
        if fork():
            {child}
        else:
            check(server)

    if os.getpid() != parent:
        os._exit(0)  # to close the loop of the parent would take the parent's wake-ups away

asyncio.run(main())
"""

GLOBAL = """
context = handle.serve(servers.options)
server = context.__enter__()
if fork():
    {child}
    sys.exit(0)
check(server)
context.__exit__(None, None, None)
"""

EVENT = """
def on_event(event):
    if isinstance(event, ContainerStarted) and fork():
        {child}

with handle.serve(servers.options, on_event=on_event, reuse=True) as server:
    check(server)
"""


def run(way: str, child: str) -> list[str]:
    """Run a program that forks in *way* a process that does *child*; return what it prints."""
    program = BEGIN + way.format(child=child) + END
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


@pytest.mark.parametrize("way", [BLOCK, SHARED, FUNCTION, GLOBAL])
@pytest.mark.parametrize(
    ("child", "code"),
    [
        ("pass", "0"),
        ("server.close()", "0"),
        ("sys.exit(3)", "3"),
        ("raise ValueError", "1"),
        ("handle.close()", "0"),
    ],
)
def test_a_forked_process_ends_and_the_server_of_its_parent_lives(
    way: str, child: str, code: str
) -> None:
    assert run(way, child) == [code, "200 1", "clean"]


@pytest.mark.parametrize("child", ["pass", "server.close()", "handle.close()"])
def test_a_forked_process_that_leaves_an_asynchronous_block_lets_the_server_live(
    child: str,
) -> None:
    assert run(TASK, child) == ["0", "200 1", "clean"]


def test_a_program_that_never_leaves_its_block_removes_the_server_as_it_ends() -> None:
    way = """
context = handle.serve(servers.options)
server = context.__enter__()
servers.engine.end(server.name, 0)
print(servers.run_dir, flush=True)
sys.exit(0)
"""

    (run_dir,) = run(way, "")

    assert list(Path(run_dir).iterdir()) == []
    shutil.rmtree(Path(run_dir).parent)


def test_a_process_that_is_forked_during_a_start_undoes_nothing() -> None:
    assert run(EVENT, "sys.exit(3)") == ["3", "200 1", "clean"]


def test_a_forked_process_has_connections_of_its_own() -> None:
    way = BLOCK.replace("    if fork", "    client = server.client()\n    if fork")

    assert run(way, "sys.exit(server.client() is client)") == ["0", "200 1", "clean"]


def test_a_forked_process_asks_the_engine_whether_the_server_runs_and_why_it_ended() -> None:
    way = """
with handle.serve(servers.options) as server:
    if fork():
        print(server.running, server.why_ended(timeout=0), flush=True)
        servers._servers[0]._listener = None  # its thread is the parent's
        servers.engine.end(server.name, 1)  # in the child's copy of the engine
        print(server.why_ended().exit_code, server.running, flush=True)
        os._exit(0)
    check(server)
"""

    assert run(way, "") == ["True None", "1 False", "0", "200 1", "clean"]
