"""A forked child has no part in the connections of its parent, and may go on with its clients."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.unit.chat.scripted_server import Script, endless, event, stream, words

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PROLOGUE = """
import asyncio, gc, json, os, sys, threading, time
from ramalama_chat import *

path = sys.argv[1]

def sockets():
    names = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    links = [os.readlink(name) for name in names if os.path.lexists(name)]
    return sum(link.startswith("socket:") for link in links)

def tell(**facts):
    print(json.dumps(facts), flush=True)

def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as exc:
            tell(failed=repr(exc))
        finally:
            os._exit(0)
    return child
"""

SYNC = """
client = open_client(UnixEndpoint(path))
session = ChatSession(client, model="m")
answer = session.ask("parent")
next(answer)

def work():
    tell(sockets=sockets())
    try:
        next(answer)
    except ServerGone:
        tell(inherited="gone")
    tell(client=ChatSession(client, model="m").ask("child").read())
    tell(session=session.ask("child").read())
    client.close()

os.waitpid(in_child(work), 0)
tell(parent=answer.read())
client.close()
"""

ASYNC = """
client = open_async_client(UnixEndpoint(path))
session = AsyncChatSession(client, model="m")

async def ask(of):
    return await of.ask("child").read()

def work():
    tell(sockets=sockets() - 2)  # asyncio's own pair
    tell(client=asyncio.run(ask(AsyncChatSession(client, model="m"))))
    tell(session=asyncio.run(ask(session)))

async def main():
    answer = session.ask("parent")
    await anext(answer)
    os.waitpid(in_child(work), 0)
    tell(parent=await answer.read())
    await client.close()

asyncio.run(main())
"""


def run(program: str, path: Path) -> list[dict[str, object]]:
    command = [sys.executable, "-c", PROLOGUE + program, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def interleaved(script: Script) -> Iterable[bytes]:
    """Send a word, and the rest when the child has asked twice."""
    yield from stream(event("one "), end=b"", whole=False)
    while len(script.requests) < 3:
        time.sleep(0.01)
    head, *rest = stream(event("two"), event(None, finish="stop"))
    assert head
    yield from rest


@pytest.mark.parametrize("program", [SYNC, ASYNC], ids=["sync", "async"])
def test_a_child_goes_on_with_its_parents_client_and_session(
    script: Script, tmp_path: Path, program: str
) -> None:
    script.add(interleaved(script), words("a"), words("b"))

    told = run(program, tmp_path / "s.sock")

    assert {"sockets": 0} in told
    assert [fact for fact in told if fact.keys() & {"failed", "client", "session", "parent"}] == [
        {"client": "a"},
        {"session": "b"},
        {"parent": "one two"},
    ]
    if program is SYNC:
        assert {"inherited": "gone"} in told


OWN = """
import httpx2
from ramalama_chat.client.client import HeaderFilter
from ramalama_chat.client.http_client import AsyncHttpClient, HttpClient

class Own(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    def __init__(self):
        self.process = os.getpid()
    def handle_request(self, request):
        return httpx2.Response(200, text=str(self.process == os.getpid()))
    async def handle_async_request(self, request):
        return self.handle_request(request)

hook = HeaderFilter(None)
def open_http():
    return HttpClient(hook, heir=open_http, transport=Own())
def open_async_http():
    return AsyncHttpClient(hook, heir=open_async_http, transport=Own())
client, async_client = open_http(), open_async_http()

async def ask():
    response = await async_client.get("http://x/")
    await async_client.aclose()
    return response.text

def work():
    tell(own=client.get("http://x/").text)
    tell(own=asyncio.run(ask()))
    client.close()

os.waitpid(in_child(work), 0)
tell(own=client.get("http://x/").text)
"""


def test_a_child_has_a_pool_of_its_own_whose_locks_no_thread_of_the_parent_holds(
    tmp_path: Path,
) -> None:
    assert run(OWN, tmp_path) == [{"own": "True"}] * 3


LEAVING = """
client = open_client(UnixEndpoint(path))
answer = ChatSession(client, model="m").ask("parent")
next(answer)
gone, ready = os.pipe(), os.pipe()

def work():
    os.write(ready[1], b"x")
    os.close(gone[1])
    os.read(gone[0], 1)

child = in_child(work)
os.read(ready[0], 1)
answer.close()
tell(closed=True)
sys.stdin.read()
os.close(gone[1])
os.waitpid(child, 0)
"""


def test_a_server_notices_that_the_parent_has_left_while_a_child_lives(
    script: Script, tmp_path: Path
) -> None:
    script.add(endless("ha"))

    command = [sys.executable, "-c", PROLOGUE + LEAVING, str(tmp_path / "s.sock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b'{"closed": true}\n'
        left = script.client_left.wait(10)
        process.communicate()  # ends both

    assert left
