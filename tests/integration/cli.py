"""The installed command, run as its users run it: in a pipe, or at a terminal.

A test module says ``pytest_plugins = ["tests.integration.cli"]`` and asks for `cli`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import pexpect
import pytest

from ramalama.lease import Lease, Owner
from tests.lab.service import program

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from tests.lab.service import EngineService

RAMALAMA: Final = str(Path(sys.executable).with_name("ramalama"))

# Seconds; nothing here takes more than a few, on a machine that does nothing else.
PATIENCE: Final = 60.0

ROOTFUL: Final = ("podman", "docker")
EVERYWHERE: Final = (*ROOTFUL, "rootless_podman")

_HOST_VARIABLE: Final = {"podman": "CONTAINER_HOST", "docker": "DOCKER_HOST"}
_SERIAL: Final = count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """What it wrote to stderr, which is one line that begins with ``Error:``."""
        assert self.err.startswith("Error: "), self.err
        assert self.err.endswith("\n"), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("Error: ").rstrip("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cli:
    """A user of one engine, with a home, settings and runtime directory of its own."""

    service: EngineService
    home: Path

    @property
    def run_dir(self) -> Path:
        """Where the command keeps sockets and keys."""
        return self.home / "run/ramalama"

    @property
    def env(self) -> dict[str, str]:
        """All that the command finds in its environment."""
        return {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": os.environ["PATH"],
            "TERM": "xterm-256color",
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            _HOST_VARIABLE[self.service.kind]: self.service.url,
        }

    def command(self, *words: str) -> list[str]:
        """Return what to execute; a rootless engine's user runs it."""
        return [*self._become(), RAMALAMA, *words]

    def run(
        self,
        *words: str,
        stdin: str | int = subprocess.DEVNULL,
        env: Mapping[str, str] | None = None,
    ) -> Done:
        """Run the command to its end; *stdin* is a descriptor, or text to pipe in."""
        with self.start(*words, stdin=stdin, env=env) as process:
            text = stdin if isinstance(stdin, str) else None
            out, err = process.communicate(text, timeout=PATIENCE)
        return Done(code=process.returncode, out=out, err=err)

    @contextmanager
    def start(
        self,
        *words: str,
        stdin: str | int = subprocess.DEVNULL,
        env: Mapping[str, str] | None = None,
    ) -> Generator[subprocess.Popen[str]]:
        """Start the command with pipes as its output, and kill it if the block leaves it running."""
        with subprocess.Popen(
            self.command(*words),
            stdin=subprocess.PIPE if isinstance(stdin, str) else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.env, **(env or {})},
            text=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    @contextmanager
    def terminal(
        self, *words: str, env: Mapping[str, str] | None = None
    ) -> Generator[pexpect.spawn[str]]:
        """Start the command at a terminal of its own."""
        file, *arguments = self.command(*words)
        child = pexpect.spawn(
            file,
            arguments,
            env=cast("os._Environ[str]", {**self.env, **(env or {})}),
            encoding="utf-8",
            timeout=PATIENCE,
            echo=False,
        )
        try:
            yield child
        finally:
            child.close(force=True)

    def engine(self, *arguments: str) -> str:
        """Give a command to the engine's own client, and return what it prints."""
        address = "--url" if self.service.kind == "podman" else "--host"
        command = [program(self.service.kind), address, self.service.url, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def containers(self) -> Sequence[Mapping[str, Any]]:
        """Inspect every container that bears our label, whoever started it."""
        with self.service.client() as client:
            query = {"all": "true", "filters": json.dumps({"label": ["ai.ramalama"]})}
            found = client.get("/containers/json", params=query).raise_for_status().json()
            answers = [client.get(f"/containers/{one['Id']}/json") for one in found]
        return [answer.json() for answer in answers if answer.is_success]

    def leftovers(self) -> list[str]:
        """List what dead commands have left: containers, sockets, keys, directories."""
        containers = [c["Name"] for c in self.containers() if _owner(c) is not Owner.ALIVE]
        return [*containers, *(str(path) for path in self.run_dir.rglob("*"))]

    def _become(self) -> Sequence[str]:
        account = self.service.account
        if account is None:
            return ()
        # The interpreter may stand in a directory that is closed to other users.
        read = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
        who = (f"--reuid={account.uid}", f"--regid={account.gid}", "--init-groups")
        return (program("setpriv"), *who, *read)


def _owner(container: Mapping[str, Any]) -> Owner:
    lease = Lease.parse(container["Config"]["Labels"].get("ai.ramalama.owner", ""))
    return Owner.UNKNOWN if lease is None else lease.owner()


@contextmanager
def command_line(service: EngineService, lab: Path) -> Generator[Cli]:
    """Make a user of *service*; complain if commands have left anything behind."""
    home = lab / f"user-{next(_SERIAL)}"
    for directory in (home, home / "run", home / "config"):
        directory.mkdir(mode=0o700)
        if service.account is not None:
            os.chown(directory, service.account.uid, service.account.gid)
    cli = Cli(service=service, home=home)
    yield cli
    assert cli.leftovers() == []
    shutil.rmtree(home)


@pytest.fixture(params=ROOTFUL)
def cli(request: pytest.FixtureRequest, lab: Path) -> Generator[Cli]:
    """A user of each rootful engine in turn; parametrize it for others."""
    service: EngineService = request.getfixturevalue(f"{request.param}_service")
    with command_line(service, lab) as user:
        yield user
