"""The installed command, run as its users run it: in a pipe, or at a terminal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx2
import pexpect
import pytest

from ramalama.system.process_identity import ProcessIdentity, ProcessState
from tests.lab.assets import IMAGE
from tests.lab.service import program

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from typing import IO

    from tests.lab.service import EngineService

T = TypeVar("T")

RAMALAMA: Final = str(Path(sys.executable).with_name("ramalama"))

# Seconds; nothing here takes more than a few, on a machine that does nothing else. An engine that
# hangs is waited for a minute, after which the command says what it waited for.
PATIENCE: Final = 90.0

ROOTFUL: Final = ("podman", "docker")
EVERYWHERE: Final = (*ROOTFUL, "rootless_podman")

# Options that make a small server, one that goes on until its context is full, and a prompt loop
# whose prompt is not to be mistaken for anything else.
SMALL: Final = ("--ctx-size=256", "--temp=0")
ENDLESS: Final = ("--ctx-size=2048", "--temp=0", "--runtime-args=--ignore-eos")
PROMPT: Final = "me> "
LOOP: Final = (f"--prefix={PROMPT}", "--color=never")

_SERIAL: Final = count()
_KNOWLEDGE: Final = "host-"  # files with what is known of an engine's host
_HOST_VARIABLE: Final = {"podman": "CONTAINER_HOST", "docker": "DOCKER_HOST"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that has ended."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def complaint(self) -> str:
        """What stderr says, which is one line that begins with ``Error:``, and stdout nothing."""
        assert self.out == ""
        assert self.err.startswith("Error: "), self.err
        assert self.err.endswith("\n"), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("Error: ").rstrip("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cli:
    """A user of one engine, with a home, settings and runtime directory of its own.

    *patience* is how many seconds a command may take.
    """

    service: EngineService
    home: Path
    url: str
    patience: float = PATIENCE

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
            "PYTHONFAULTHANDLER": "1",  # SIGABRT shows what a command that does not end waits for
            # Whatever GPU this machine has, the lab has this image alone.
            "RAMALAMA_IMAGE": IMAGE,
            "RAMALAMA_NGL": "0",
            "RAMALAMA_STORE": str(self.home / "store"),  # root's own is the machine's
            "TERM": "dumb",  # without the line editor, which redraws what tests look for
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            _HOST_VARIABLE[self.service.kind]: self.url,
        }

    @property
    def uid(self) -> int:
        """Who runs the command."""
        return os.getuid() if self.service.account is None else self.service.account.uid

    def at(self, url: str) -> Cli:
        """Return the same user, who finds the engine at *url*."""
        return replace(self, url=url)

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
        pipe = subprocess.PIPE if isinstance(stdin, str) else stdin
        with self.start(*words, stdin=pipe, env=env) as process:
            text = stdin if isinstance(stdin, str) else None
            return finish(process, text, patience=self.patience)

    @contextmanager
    def start(
        self,
        *words: str,
        stdin: int = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
        env: Mapping[str, str] | None = None,
    ) -> Generator[subprocess.Popen[str]]:
        """Start the command; it is told to end if the block leaves it running, and made to."""
        with subprocess.Popen(
            self.command(*words),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={**self.env, **(env or {})},
            encoding="utf-8",
            errors="replace",
        ) as process:
            try:
                yield process
            finally:
                _end(process)

    @contextmanager
    def terminal(
        self, *words: str, env: Mapping[str, str] | None = None
    ) -> Generator[pexpect.spawn[str]]:
        """Start the command at a terminal of its own; it is told to end if it is left running."""
        variables = [f"{name}={value}" for name, value in {**self.env, **(env or {})}.items()]
        command = ["--ignore-environment", *variables, *self.command(*words)]
        child: pexpect.spawn[str] = pexpect.spawn(
            program("env"), command, encoding="utf-8", timeout=PATIENCE, echo=False
        )
        try:
            yield child
        finally:
            try:
                if child.isalive():
                    child.kill(signal.SIGTERM)
                    _expect_end(child)
            finally:
                child.close(force=True)

    @contextmanager
    def prompt_loop(self, *words: str) -> Generator[pexpect.spawn[str]]:
        """Run the command until it asks for a prompt, and let it go when the block ends."""
        with self.terminal("run", *LOOP, *words) as child:
            child.expect_exact(PROMPT)
            yield child
            if child.isalive():
                child.sendline("/bye")
                assert exit_code(child) == 0

    def engine(self, *arguments: str) -> str:
        """Give a command to the engine's own client, and return what it prints."""
        address = "--url" if self.service.kind == "podman" else "--host"
        command = [program(self.service.kind), address, self.service.url, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def server(self) -> httpx2.Client:
        """Open a connection to the one server that listens for this user."""
        (socket,) = self.run_dir.glob("*/api.sock")
        return httpx2.Client(transport=httpx2.HTTPTransport(uds=str(socket)), base_url="http://x")

    def containers(self) -> Sequence[Mapping[str, Any]]:
        """Inspect every container that bears our label, whoever started it."""
        with self.service.client() as client:
            query = {"all": "true", "filters": json.dumps({"label": ["ai.ramalama"]})}
            found = client.get("/containers/json", params=query).raise_for_status().json()
            answers = [client.get(f"/containers/{one['Id']}/json") for one in found]
        return [answer.json() for answer in answers if answer.is_success]

    def container_of(self, pid: int | None) -> Mapping[str, Any] | None:
        """Inspect the container that the command with this process ID owns, if there is one."""
        for container in self.containers():
            identity = _lease(container)
            if identity is not None and identity.pid == pid:
                return container
        return None

    def leftovers(self) -> list[str]:
        """List what dead commands have left: containers, sockets, keys, directories."""
        left = [one["Name"] for one in self.containers() if _is_left(_lease(one))]
        return [*left, *self.files()]

    def files(self) -> list[str]:
        """List what servers have in the user's directory for them."""
        found = (path.relative_to(self.run_dir) for path in self.run_dir.rglob("*"))
        return [str(path) for path in found if not path.parts[0].startswith(_KNOWLEDGE)]

    def remove_leftovers(self) -> None:
        """Remove them, so that one test that fails does not fail the others."""
        with self.service.client() as client:
            for one in self.containers():
                if _is_left(_lease(one)):
                    client.delete(f"/containers/{one['Id']}", params={"force": "true"})
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def _become(self) -> Sequence[str]:
        account = self.service.account
        if account is None:
            return ()
        # The interpreter may stand in a directory that is closed to other users.
        read = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
        who = (f"--reuid={account.uid}", f"--regid={account.gid}", "--init-groups")
        return (program("setpriv"), *who, *read)


@contextmanager
def user_of(service: EngineService, lab: Path) -> Generator[Cli]:
    """Make a user of *service*; complain if commands have left anything behind."""
    home = lab / f"user-{next(_SERIAL)}"
    for directory in (home, home / "run", home / "config"):
        directory.mkdir(mode=0o700)
        if service.account is not None:
            os.chown(directory, service.account.uid, service.account.gid)
    cli = Cli(service=service, home=home, url=service.url)
    try:
        yield cli
    finally:
        left = cli.leftovers()
        cli.remove_leftovers()
        shutil.rmtree(home)
    assert left == []


def saying(text: str) -> tuple[str, str]:
    """Return options under which the model says *text*, whatever it is asked."""
    escaped = "".join(
        char if char.isprintable() and char not in '"\\' else f"\\x{ord(char):02x}" for char in text
    )
    return ("--runtime-args", f"""--grammar 'root ::= "{escaped}"'""")


def finish(
    process: subprocess.Popen[str], text: str | None = None, *, patience: float = PATIENCE
) -> Done:
    """Pipe *text* in, and wait for the end; whoever takes too long is killed, and has failed."""
    try:
        out, err = process.communicate(text, timeout=patience)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        out, err = process.communicate()
        pytest.fail(f"{process.args!r} did not end; stdout: {out!r}, stderr:\n{err}")
    return Done(code=process.returncode, out=out or "", err=err or "")


def before(child: pexpect.spawn[str]) -> str:
    """Return what came at the terminal before that which was last expected."""
    assert isinstance(child.before, str)
    return child.before


def exit_code(child: pexpect.spawn[str]) -> int | None:
    """Wait for the end of a command at a terminal; None if a signal killed it."""
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def eventually(condition: Callable[[], T]) -> T:
    """Wait until *condition* holds, and return what it returned."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, condition
        time.sleep(0.005)
    return value


def _end(process: subprocess.Popen[str]) -> None:
    """Tell *process* to end, and kill it if it does not obey."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        _, err = process.communicate()
        pytest.fail(f"{process.args!r} did not obey SIGTERM; stderr:\n{err}")


def _expect_end(child: pexpect.spawn[str]) -> None:
    """Wait for the end of a command at a terminal; if it does not end, show what it waits for."""
    try:
        child.expect(pexpect.EOF)
    except pexpect.TIMEOUT:
        child.kill(signal.SIGABRT)
        child.expect(pexpect.EOF)
        pytest.fail(f"{child.args!r} did not obey SIGTERM; its terminal:\n{before(child)}")


def _lease(container: Mapping[str, Any]) -> ProcessIdentity | None:
    return ProcessIdentity.parse(container["Config"]["Labels"].get("ai.ramalama.owner", ""))


def _is_left(identity: ProcessIdentity | None) -> bool:
    return identity is None or identity.state() is not ProcessState.ALIVE
