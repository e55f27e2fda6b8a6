"""What ssh costs: the delay of a token, and the speed of an upload against scp.

* tokens: eight streams of 100 small events a second through one connection, each event with the
  time at which it was sent. The floor is the same server at a local socket. "no session" is a
  connection that forwards and starts nothing: sshd then leaves Nagle's algorithm on.
* upload: a file of 100 MB by SFTP against scp with the same cipher, in turn.

It starts an sshd of its own on loopback, which takes root.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.rounds import report, run_rounds
from ramalama_engines.address import EngineAddress
from ramalama_engines.ssh import link
from ramalama_engines.ssh.route import SshRoute
from tests.lab.service import program
from tests.lab.sshd import SshService, sshd

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    Dial = Callable[[], socket.socket]

_STREAMS: Final = 8
_TOKENS: Final = 300  # of each stream
_GAP: Final = 0.01  # seconds
_EVENT: Final = struct.Struct("d192x")  # when it was sent, and about as long as an event of JSON
_SIZE: Final = 100 << 20
_MEGABYTE: Final = 1e6

_SERVER: Final = """\
import socket, struct, sys, threading, time
event = struct.Struct("d192x")
def stream(client):
    start = time.monotonic()
    try:
        for number in range(1000000):
            time.sleep(max(0, start + number * 0.01 - time.monotonic()))
            client.sendall(event.pack(time.monotonic()))
    except OSError:
        client.close()
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("ready", flush=True)
while True:
    client, _ = listener.accept()
    threading.Thread(target=stream, args=(client,), daemon=True).start()
"""


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(words).rounds
    with tempfile.TemporaryDirectory(prefix="bench-") as name, sshd(Path(name) / "sshd") as service:
        os.environ["HOME"] = str(service.home)
        os.environ.pop("SSH_AUTH_SOCK", None)
        _tokens(Path(name), service, rounds)
        _upload(Path(name), service, rounds)


def _tokens(directory: Path, service: SshService, rounds: int) -> None:
    path = directory / "events"
    with _events(path), _route(service, path) as route, _without_session(service, path) as plain:
        print("99th percentile of the delay of a token, 8 streams of 100 a second:")
        dials: dict[str, Dial] = {
            "local": lambda: _local(path),
            "ssh": lambda: route.dial(None),
            "ssh, no session": lambda: plain.dial(None),
        }
        times = run_rounds({name: partial(_delay, dial) for name, dial in dials.items()}, rounds)
    report(times, "local")
    for name in ("ssh", "ssh, no session"):
        added = statistics.median(
            ours - floor for ours, floor in zip(times[name], times["local"], strict=True)
        )
        print(f"{name}: {added:.1f} ms more than local")


def _upload(directory: Path, service: SshService, rounds: int) -> None:
    source = directory / "source"
    source.write_bytes(os.urandom(1 << 20) * (_SIZE >> 20))
    scp = [program("scp"), "-q", *service.options(), "-P", str(service.port)]
    cipher = ["-c", "aes128-gcm@openssh.com"]
    with _route(service, "/nowhere") as route:
        files = route.ssh.files
        if files is None:
            sys.exit("no SFTP")

        def by_sftp() -> None:
            files.upload(source, f"{directory}/ours")

        def by_scp() -> None:
            goal = f"root@127.0.0.1:{directory}/theirs"
            subprocess.run([*scp, *cipher, str(source), goal], check=True)

        print("upload of 100 MB, in MB/s:")
        ways = {
            "scp": lambda: _speed(by_scp, directory / "theirs"),
            "SFTP": lambda: _speed(by_sftp, directory / "ours"),
        }
        report(run_rounds(ways, rounds), "scp", unit="MB/s")


def _speed(copy: Callable[[], None], copied: Path) -> float:
    copied.unlink(missing_ok=True)
    start = time.perf_counter()
    copy()
    return _SIZE / _MEGABYTE / (time.perf_counter() - start)


def _delay(dial: Dial) -> float:
    """Return the 99th percentile of the delay of the tokens of all streams, in milliseconds."""
    delays: list[float] = []

    def read() -> None:
        with dial() as connection, connection.makefile("rb") as stream:
            for _ in range(_TOKENS):
                (sent,) = _EVENT.unpack(stream.read(_EVENT.size))
                delays.append(time.monotonic() - sent)

    threads = [threading.Thread(target=read) for _ in range(_STREAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(delays)[int(len(delays) * 0.99)] * 1000


def _local(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    return connection


@contextmanager
def _route(service: SshService, path: Path | str) -> Generator[SshRoute]:
    address = EngineAddress(url=service.url(path))
    with closing(SshRoute(address, lambda: service.directory / "sockets")) as route:
        yield route


@contextmanager
def _without_session(service: SshService, path: Path) -> Generator[SshRoute]:
    """Open a connection that starts no session."""
    module: Any = link
    kept = module._first_session  # noqa: SLF001

    async def nothing(_: object) -> None:
        pass

    with _route(service, path) as route:
        module._first_session = nothing  # noqa: SLF001
        try:
            route.dial(None).close()
        finally:
            module._first_session = kept  # noqa: SLF001
        yield route


@contextmanager
def _events(path: Path) -> Generator[None]:
    words = [sys.executable, "-c", _SERVER, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as server:
        try:
            if server.stdout is None or not server.stdout.readline():
                sys.exit("no events")
            yield
        finally:
            server.kill()


if __name__ == "__main__":
    main()
