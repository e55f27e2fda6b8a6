"""An ssh service on loopback, with keys of its own, for as long as a test needs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.lab.service import program, running

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

_SETTINGS: Final = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host
AuthorizedKeysFile {directory}/identity.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
MaxStartups 100:30:200
LogLevel VERBOSE
{more}
Subsystem sftp internal-sftp -d {directory}/far/%u
"""
# What sshd wants to be there; it is the same for every one of the machine.
_EMPTY: Final = Path("/run/sshd")


@dataclass(frozen=True, slots=True, kw_only=True)
class SshService:
    """A running sshd, which lets root in with one key, and each user of the lab.

    Attributes:
        home: a home directory whose `.ssh` knows the service and has the key.
    """

    directory: Path
    port: int
    home: Path

    @property
    def far(self) -> Path:
        """Where the home directories of users are, by name, as SFTP sees them."""
        return self.directory / "far"

    @property
    def log(self) -> Path:
        """What it wrote."""
        return self.directory / "log"

    @property
    def identity(self) -> Path:
        """The private key of the user."""
        return self.directory / "identity"

    @property
    def known_hosts(self) -> Path:
        """The file of the user that has the key of the service."""
        return self.home / ".ssh/known_hosts"

    def url(self, path: str | Path = "") -> str:
        """Return the URL of a socket behind it."""
        return f"ssh://root@127.0.0.1:{self.port}{path}"

    def options(self) -> Sequence[str]:
        """Return what ssh and scp need to get in."""
        known = f"UserKnownHostsFile={self.known_hosts}"
        return ("-F", "none", "-i", str(self.identity), "-o", known)

    def sessions(self) -> Sequence[int]:
        """Return the processes of the connections that are open."""
        return list(_children(self._daemon()))

    def cut(self) -> None:
        """Break every connection."""
        for pid in self.sessions():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Generator[None]:
        """Stop every connection, and take no new one, for the length of a block."""
        pids = [*self.sessions(), self._daemon()]
        for pid in pids:
            with suppress(ProcessLookupError):  # a session that has ended meanwhile
                os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def answers(self) -> bool:
        """Whether it takes connections yet."""
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)):
                return False
            return probe.recv(4) == b"SSH-"

    def _daemon(self) -> int:
        settings = f"{self.directory}/sshd_config".encode()
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and settings in (entry / "cmdline").read_bytes():
                    return int(entry.name)
        msg = "sshd does not run"
        raise ProcessLookupError(msg)


@contextmanager
def sshd(directory: Path, *settings: str) -> Generator[SshService]:
    """Run a service in the background, with more *settings* of sshd_config(5) than the lab's."""
    directory.mkdir(mode=0o700)
    _EMPTY.mkdir(exist_ok=True)
    home = directory / "home"
    (home / ".ssh").mkdir(mode=0o700, parents=True)
    (directory / "far/root").mkdir(parents=True)
    for name in ("identity", "host"):
        make_key(directory / name)
    service = SshService(directory=directory, port=_free_port(), home=home)
    kind, key, _ = (directory / "host.pub").read_text().split()
    service.known_hosts.write_text(f"[127.0.0.1]:{service.port} {kind} {key}\n")
    (home / ".ssh/config").write_text(f"IdentityFile {service.identity}\n")
    more = "\n".join(settings)
    text = _SETTINGS.format(port=service.port, directory=directory, more=more)
    (directory / "sshd_config").write_text(text)
    # Its path must be absolute: it starts itself again for each connection.
    command = (program("sshd"), "-D", "-e", "-f", str(directory / "sshd_config"))
    env = {"PATH": os.environ["PATH"]}
    with running(command, log=service.log, ready=service.answers, env=env):
        try:
            yield service
        finally:
            service.cut()


def make_key(path: Path, *, passphrase: str = "") -> None:
    """Make a key and the file of its public part."""
    options = ["-q", "-t", "ed25519", "-N", passphrase, "-C", "throw-away", "-f", str(path)]
    subprocess.run([program("ssh-keygen"), *options], check=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _children(parent: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            pid = int(entry.name)
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                yield from _children(pid)
                yield pid
