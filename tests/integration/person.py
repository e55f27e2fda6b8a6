"""Somebody who uses the command without any engine: with models and registries alone."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import pexpect

from tests.integration.cli import PATIENCE, RAMALAMA, Done
from tests.lab.service import program

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from tests.lab.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user with a home, a runtime directory and a store of their own below *home*.

    Attributes:
        extra: variables of the environment besides those that everybody has.
    """

    home: Path
    extra: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def env(self) -> dict[str, str]:
        """All that the command finds in its environment."""
        return {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": os.environ["PATH"],
            "RAMALAMA_STORE": str(self.store),
            "TERM": "xterm-256color",
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            **self.extra,
        }

    @property
    def store(self) -> Path:
        """Where their models are."""
        return self.home / "store"

    @property
    def logins(self) -> Path:
        """Where podman, skopeo and the command keep logins."""
        return self.home / "run/containers/auth.json"

    def having(self, **variables: str) -> Self:
        """Return the same user with more in the environment."""
        return replace(self, extra={**self.extra, **variables})

    def run(self, *words: str, text: str = "") -> Done:
        """Run the command to its end, with *text* piped in."""
        return self._run([RAMALAMA, *words], text)

    def other(self, name: str, *words: str, text: str = "") -> Done:
        """Run another program as the same user."""
        return self._run([program(name), *words], text)

    @contextmanager
    def start(self, *words: str, stdout: int = subprocess.PIPE) -> Generator[subprocess.Popen[str]]:
        """Start the command; it is killed if the block leaves it running."""
        with subprocess.Popen(
            [RAMALAMA, *words],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=self.env,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def terminal(self, *words: str) -> pexpect.spawn[str]:
        """Start the command at a terminal of its own."""
        variables = [f"{name}={value}" for name, value in self.env.items()]
        command = ["--ignore-environment", *variables, RAMALAMA, *words]
        return pexpect.spawn(program("env"), command, encoding="utf-8", timeout=PATIENCE)

    def trust(self, registry: Registry) -> None:
        """Put the registry's authority where podman, skopeo and the command look for it."""
        assert registry.certificate is not None
        directory = self.home / ".config/containers/certs.d" / registry.address
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "ca.crt").write_bytes(registry.certificate.ca_file.read_bytes())

    def _run(self, command: list[str], text: str) -> Done:
        done = subprocess.run(
            command,
            check=False,
            input=text,
            capture_output=True,
            text=True,
            env=self.env,
            timeout=PATIENCE,
        )
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)


def make_person(directory: Path) -> Person:
    """Make a home below *directory*."""
    home = directory / "home"
    (home / "run").mkdir(parents=True, mode=0o700)
    return Person(home=home)
