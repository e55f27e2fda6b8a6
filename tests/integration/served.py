"""A model server that a prompt loop keeps alive, and ways to look at its container."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.cli import user_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import pexpect
    import pytest

    from tests.integration.cli import Cli


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server, and the terminal whose prompt loop waits for words.

    Attributes:
        container: what the engine tells of it, in the form that Podman and Docker share.
    """

    cli: Cli
    terminal: pexpect.spawn[str]
    container: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The container's ID."""
        return str(self.container["Id"])

    @property
    def proc(self) -> Path:
        """The server's process as this host sees it; proc(5)."""
        return Path("/proc", str(self.container["State"]["Pid"]))

    @property
    def argv(self) -> list[str]:
        """The server's command line."""
        return (self.proc / "cmdline").read_text().split("\0")[:-1]

    @property
    def env(self) -> dict[str, str]:
        """The server's environment."""
        words = (self.proc / "environ").read_text().split("\0")[:-1]
        return dict(word.split("=", 1) for word in words)

    def status(self, field: str) -> list[str]:
        """Return a field of the process's status; proc_pid_status(5)."""
        lines = (self.proc / "status").read_text().splitlines()
        (found,) = (line for line in lines if line.startswith(f"{field}:"))
        return found.split()[1:]

    def mount_options(self, target: str) -> list[str]:
        """Return the options of the mount at *target* in the container; proc_pid_mountinfo(5)."""
        lines = (self.proc / "mountinfo").read_text().splitlines()
        (found,) = (fields for fields in map(str.split, lines) if fields[4] == target)
        return found[5].split(",")

    def tmpfs_options(self, target: str) -> dict[str, str]:
        """Return the options of the file system at *target* in the container; likewise."""
        lines = (self.proc / "mountinfo").read_text().splitlines()
        (found,) = (line for line in lines if line.split()[4] == target)
        options = found.partition(" - tmpfs ")[2].split()[1].split(",")
        return {name: value for name, _, value in (option.partition("=") for option in options)}

    def inside(self, script: str) -> str:
        """Run a shell script in the container, and return what it prints."""
        return self.cli.engine("exec", self.id, "sh", "-c", script)

    def directory(self) -> Path:
        """Return the directory on the host that holds the server's socket or key."""
        (directory,) = self.cli.run_dir.iterdir()
        return directory


@contextmanager
def serving(request: pytest.FixtureRequest, engine: str, *options: str) -> Generator[Served]:
    """Serve SmolLM2 on the named engine of the lab."""
    service = request.getfixturevalue(f"{engine}_service")
    lab, model = request.getfixturevalue("lab"), request.getfixturevalue("model")
    with (
        user_of(service, lab) as cli,
        cli.prompt_loop("--ctx-size=256", *options, str(model)) as terminal,
    ):
        container = cli.container_of(terminal.pid)
        assert container is not None
        yield Served(cli=cli, terminal=terminal, container=container)
