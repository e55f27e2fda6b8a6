"""A big file from nginx on loopback: ours, verified and on the disk, and curl, which does neither.

It needs nginx and curl. ``--size`` in MiB; the goals are for 1024.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.fetch import fetch
from benchmarks.rounds import report, run_rounds
from ramalama.models.formats.model_files import Digest
from tests.doubles.faults import cut, faulty, times
from tests.doubles.server import FileServer, serve_bytes
from tests.lab.scratch import scratch_directory

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path


_MIB: Final = 1024 * 1024
_CUTS: Final = 7
_CONFIGURATION: Final = """
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
  log_format bytes '$body_bytes_sent';
  access_log {directory}/access.log bytes;
  client_body_temp_path {directory}/temp1;
  proxy_temp_path {directory}/temp2;
  fastcgi_temp_path {directory}/temp3;
  uwsgi_temp_path {directory}/temp4;
  scgi_temp_path {directory}/temp5;
  sendfile on;
  server {{
    listen 127.0.0.1:{port};
    location /fast/ {{ alias {directory}/www/; }}
    location /slow/ {{ alias {directory}/www/; limit_rate 60m; }}
  }}
}}
"""


class Bench:
    """nginx with one file of random bytes, and places to put it."""

    def __init__(self, directory: Path, size: int) -> None:
        self.directory = directory
        self.size = size
        self.peaks: list[int] = []
        """kB of memory that each process of `ours` had at most."""
        (directory / "www").mkdir()
        self.digest = _make_file(directory / "www/file", size)
        self.port = _free_port()

    @property
    def served(self) -> int:
        """Bytes that nginx has sent since `forget_served`."""
        return sum(map(int, (self.directory / "access.log").read_text().split()))

    def forget_served(self) -> None:
        """Count from 0 again."""
        os.truncate(self.directory / "access.log", 0)

    @contextmanager
    def serving(self) -> Generator[None]:
        """Run nginx."""
        configuration = self.directory / "nginx.conf"
        configuration.write_text(_CONFIGURATION.format(directory=self.directory, port=self.port))
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
        command = [program, "-p", str(self.directory), "-c", str(configuration)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as nginx:
            _wait_for(self.port)
            try:
                yield
            finally:
                nginx.send_signal(signal.SIGQUIT)

    def curl(self, where: str) -> float:
        """Fetch with curl, and return milliseconds."""
        target = self.directory / "curl"
        began = time.perf_counter()
        subprocess.run(["curl", "-s", "-o", str(target), self._url(where)], check=True)
        took = time.perf_counter() - began
        target.unlink()
        return took * 1000

    def ours(self, where: str) -> float:
        """Fetch in a fresh process with nothing there yet, and return milliseconds."""
        self.forget()
        began = time.perf_counter()
        with self.start(where) as process:
            _, peak = process.communicate()
        took = time.perf_counter() - began
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args)
        self.peaks.append(int(peak))
        return took * 1000

    def start(self, where: str) -> subprocess.Popen[str]:
        """Begin to fetch, or go on, in a process that says how far it has come."""
        words = [self._url(where), str(self.directory / "store"), str(self.size), self.digest.hex]
        command = [sys.executable, "-m", "benchmarks.fetch", *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def kill_at(self, part: float) -> int:
        """Begin to fetch slowly, kill that at some *part* of the way, and return the bytes done."""
        self.forget()
        done = 0
        with self.start("slow") as process:
            for line in process.stdout or ():
                done = int(line)
                if done >= part * self.size:
                    break
            process.kill()
        return done

    def forget(self) -> None:
        """Have nothing."""
        shutil.rmtree(self.directory / "store", ignore_errors=True)

    def _url(self, where: str) -> str:
        return f"http://127.0.0.1:{self.port}/{where}/file"


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args(words)
    with scratch_directory() as directory:
        bench = Bench(directory, arguments.size * _MIB)
        with bench.serving():
            _compare(bench, "fast", arguments.rounds)
            print(f"peak memory: {max(bench.peaks) / 1000:.0f} MB")
            _compare(bench, "slow", 1)
            _kill_and_resume(bench)
        _survive_cuts(directory)


def _compare(bench: Bench, where: str, rounds: int) -> None:
    contenders = {
        f"curl, {where}": partial(bench.curl, where),
        f"ours, {where}": partial(bench.ours, where),
    }
    report(run_rounds(contenders, rounds), f"curl, {where}")


def _kill_and_resume(bench: Bench) -> None:
    """Kill at 60 %, and count what the next run has to fetch."""
    done = bench.kill_at(0.6)
    time.sleep(0.5)  # nginx takes down what it sent when it sees that nobody is there
    bench.forget_served()
    with bench.start("slow") as process:
        process.communicate()
    again = bench.served - (bench.size - done)
    print(
        f"killed at {done / bench.size:.0%}: the next run fetched the rest and {again / 1e6:.1f} MB"
    )


def _survive_cuts(directory: Path) -> None:
    """Have the connection cut several times in a row, and count the bytes asked for."""
    content = os.urandom(32 * _MIB)
    digest = Digest(hashlib.sha256(content).hexdigest())
    route = faulty(serve_bytes(content), times(_CUTS, cut(3 * _MIB)))
    with FileServer({"/file": route}) as server:
        fetch(f"{server.url}/file", directory / "cuts", len(content), digest)
        starts = [int(each.headers["range"][6:].partition("-")[0]) for each in server.requests]
    steps = [number * 3 * _MIB for number in range(_CUTS + 1)]
    print(f"{_CUTS} cuts in a row: complete, {'nothing' if starts == steps else 'some'} came twice")


def _make_file(path: Path, size: int) -> Digest:
    sha256 = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(0, size, _MIB):
            block = os.urandom(_MIB)
            sha256.update(block)
            file.write(block)
        os.fsync(file.fileno())
    return Digest(sha256.hexdigest())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return
    msg = "nginx does not listen"
    raise TimeoutError(msg)


if __name__ == "__main__":
    main()
