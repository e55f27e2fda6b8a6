"""A user of `podman machine` on macOS, whose files of it have the shapes that podman writes."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ramalama_engines.user import InvokingUser
from tests.doubles import as_if_on_macos
from tests.integration.cli import Cli
from tests.lab.service import program
from tests.lab.virtual_machine import SOCKET, UID, USER
from tests.unit.engines.discovery.homes import MACHINE, write_connections, write_machine

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.service import EngineService
    from tests.lab.virtual_machine import VirtualMachine

_TMPDIR: Final = "var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCli(Cli):
    """A user as if on macOS, with the user ID that the user in the *machine* has.

    Nothing in the environment names the engine.
    """

    machine: VirtualMachine
    patience: float = 600.0

    @property
    def env(self) -> dict[str, str]:
        """All that the command finds in its environment."""
        given = Cli.env.fget(self)  # type: ignore[attr-defined]  # the property of a dataclass
        given.pop("CONTAINER_HOST")
        return {**given, "LOGNAME": "me", "TMPDIR": f"{self.temporary}/"}

    @property
    def temporary(self) -> Path:
        """The user's directory for temporary files."""
        return self.home / _TMPDIR

    @property
    def api_socket(self) -> Path:
        """Where a machine forwards its API to; too long a path is replaced by this link."""
        return self.home / f".podman/{MACHINE}-api.sock"

    @property
    def uid(self) -> int:
        """Who runs the command."""
        return UID

    def command(self, *words: str) -> list[str]:
        """Return what to execute."""
        who = (f"--reuid={UID}", f"--regid={UID}", "--clear-groups")
        # The interpreter may stand in a directory that is closed to other users.
        read = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
        program_there = (sys.executable, as_if_on_macos.__file__)
        return [program("setpriv"), *who, *read, *program_there, *words]

    def own_files(self) -> None:
        """Give the user all that is in the home directory."""
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, UID, UID)

    def there(self) -> list[str]:
        """List what is left in the machine of servers and of models."""
        find = f"find /run/user/{UID}/ramalama /tmp/ramalama-{UID} ~/.local/share/ramalama -type f"
        volumes = self.engine("volume", "ls", "--quiet").splitlines()
        found = self.machine.run(f"{find} -o -type d -name '*-*-*' 2>/dev/null || true")
        return [*volumes, *(line for line in found.splitlines() if not line.endswith("/clock"))]


@contextmanager
def machine_user(machine: VirtualMachine, service: EngineService) -> Generator[MachineCli]:
    """Make such a user; complain if commands have left anything behind on either side."""
    home = machine.shared / "me"
    cli = MachineCli(service=service, home=home, url=service.url, machine=machine)
    for directory in (home / "run", home / "config", home / ".ssh", cli.temporary):
        directory.mkdir(parents=True, mode=0o700)
    shutil.copy(machine.identity, home / "machine")
    (home / ".ssh/config").write_text("ConnectTimeout 120\n")
    _describe(machine, home)
    cli.own_files()
    try:
        yield cli
    finally:
        left = cli.leftovers()
        cli.remove_leftovers()
        shutil.rmtree(home)
    assert left == []


def _describe(machine: VirtualMachine, home: Path) -> None:
    """Write what podman writes when it has made the machine."""
    user = InvokingUser(env={"XDG_CONFIG_HOME": str(home / "config")}, home=home, uid=UID)
    identity, shared = str(home / "machine"), str(machine.shared)
    ssh = {"IdentityPath": identity, "Port": machine.port, "RemoteUsername": USER}
    mount = {"Source": shared, "Target": shared, "Type": "9p", "ReadOnly": False}
    write_machine(user, SSH=ssh, Mounts=[mount])
    at, to = {"Identity": identity, "IsMachine": True}, f"127.0.0.1:{machine.port}"
    connections = {
        MACHINE: {"URI": f"ssh://{USER}@{to}{SOCKET}", **at},
        f"{MACHINE}-root": {"URI": f"ssh://root@{to}/run/podman/podman.sock", **at},
    }
    write_connections(user, connections, default=MACHINE)
