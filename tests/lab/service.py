"""Start a program, wait until it serves, end it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import httpx2

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from tests.lab.account import Account

# Seconds. The services take one or two; a busy machine with two cores takes its time.
_PATIENCE: Final = 60.0


class LabError(Exception):
    """A service that the tests need cannot be had, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineService:
    """A running engine.

    Attributes:
        account: the user that it runs as, and who may reach its socket; None is root.
        log: what it wrote.
        tls_port: the port of 127.0.0.1 where it also listens, with TLS.
    """

    kind: Literal["podman", "docker"]
    url: str
    log: Path
    account: Account | None = None
    tls_port: int | None = None

    @property
    def socket(self) -> Path:
        """The path in its URL."""
        return Path(self.url.removeprefix("unix://"))

    def client(self) -> httpx2.Client:
        """Open a connection to the API that Podman and Docker share, past every SDK."""
        transport = httpx2.HTTPTransport(uds=str(self.socket))
        return httpx2.Client(transport=transport, base_url="http://engine", timeout=300)

    def answers(self) -> bool:
        """Whether it takes requests yet."""
        # httpx2 leaves the socket open when it cannot be connected.
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
        with self.client() as client:
            return client.get("/_ping").is_success

    @contextmanager
    def hanging(self) -> Generator[None]:
        """Stop the process that listens at its socket for the length of a block."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self.socket))
            size = struct.calcsize("3i")
            peer = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        pid, _, _ = struct.unpack("3i", peer)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


def free_port() -> int:
    """Return a port of 127.0.0.1 that no program uses yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def program(name: str) -> str:
    """Find a program, with a message that helps whoever lacks it."""
    if found := shutil.which(name):
        return found
    msg = f"{name} is not installed; scripts/test installs it, `make test-unit` does without"
    raise LabError(msg)


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    ready: Callable[[], bool],
    env: Mapping[str, str],
    patience: float = _PATIENCE,
) -> Generator[None]:
    """Run *command* in ``/`` in the background, from when it is ready until the block ends.

    It has failed if it is not ready within *patience* seconds.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            cwd="/",  # another user may be unable to enter the directory of the tests
            start_new_session=True,  # Ctrl-C ends the test run, which then ends the service
        )
    try:
        _wait_until_ready(process, ready, log, time.monotonic() + patience)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(
    process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path, deadline: float
) -> None:
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(errors="replace").splitlines()[-10:]
            msg = "\n".join([f"{process.args!r} does not serve; its last words:", *lines])
            raise LabError(msg)
        time.sleep(0.02)
