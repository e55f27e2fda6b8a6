"""A user whose engine is elsewhere: it sees none of the user's files, and is reached by ssh."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ramalama.serving.usage import process_in
from ramalama.system.process_identity import ProcessState
from tests.doubles import as_if_on_macos
from tests.integration.cli import RAMALAMA, Cli

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.lab.hidden import Hidden
    from tests.lab.service import EngineService
    from tests.lab.sshd import SshService

_SERIAL: Final = count()
_TMPDIR: Final = "var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T"


@dataclass(frozen=True, slots=True, kw_only=True)
class FarCli(Cli):
    """A user of an engine behind *ssh*; what is in *own* only the user sees.

    *foreign* are the directories of servers that were there before, of other runs of the tests.
    """

    own: Hidden
    ssh: SshService
    foreign: frozenset[str] = frozenset()

    @property
    def env(self) -> dict[str, str]:
        """All that the command finds in its environment: the engine's address, and ssh's files."""
        given = Cli.env.fget(self)  # type: ignore[attr-defined]  # the property of a dataclass
        for name in ("CONTAINER_HOST", "DOCKER_HOST"):
            given.pop(name, None)
        return {**given, "HOME": str(self.ssh.home), "RAMALAMA_ENGINE_URL": self.url}

    def command(self, *words: str) -> list[str]:
        """Return what to execute; root runs it, where *own* is seen."""
        return [*self.own.command(RAMALAMA, *words)]

    @property
    def far_name(self) -> str:
        """The name of the user there."""
        return self.service.account.name if self.service.account else "root"

    @property
    def far_store(self) -> Path:
        """Where the engine's side keeps models."""
        return self.ssh.far / self.far_name / ".local/share/ramalama/engine-side"

    @property
    def far_servers(self) -> list[str]:
        """The new directories of servers on the engine's side, of any user of the lab."""
        places = ("/run/ramalama", "/run/user/{uid}/ramalama", "/tmp/ramalama-{uid}")  # noqa: S108
        parents = [Path(place.format(uid=self.uid)) for place in places]
        found = (path for parent in parents if parent.is_dir() for path in parent.iterdir())
        return [path.name for path in found if path.is_dir() and path.name not in self.foreign]


@dataclass(frozen=True, slots=True, kw_only=True)
class MacCli(FarCli):
    """The same user on macOS, with its long directory for temporary files."""

    @property
    def env(self) -> dict[str, str]:
        """All that the command finds in its environment."""
        given = FarCli.env.fget(self)  # type: ignore[attr-defined]  # the property of a dataclass
        return {**given, "TMPDIR": f"{self.home}/{_TMPDIR}/"}

    def command(self, *words: str) -> list[str]:
        """Return what to execute."""
        return [*self.own.command(sys.executable, as_if_on_macos.__file__, *words)]


@contextmanager
def far_user(
    service: EngineService, own: Hidden, ssh: SshService, kind: type[FarCli] = FarCli
) -> Generator[FarCli]:
    """Make such a user of *service*; complain if commands have left anything on either side."""
    home = own.directory.parent / f"far-user-{next(_SERIAL)}"
    for directory in (home, home / "run", home / "config"):
        directory.mkdir(mode=0o700)
    cli = kind(service=service, home=home, url="", own=own, ssh=ssh)
    if service.account is not None:
        (ssh.far / cli.far_name).mkdir(exist_ok=True)
        os.chown(ssh.far / cli.far_name, service.account.uid, service.account.gid)
    url = f"ssh://{cli.far_name}@127.0.0.1:{ssh.port}{service.socket}"
    cli = replace(cli, url=url, foreign=frozenset(cli.far_servers))
    try:
        yield cli
    finally:
        left = cli.leftovers()
        cli.remove_leftovers()
        shutil.rmtree(home)
    assert left == [], left
    # Other runs of the tests on this machine may have servers there.
    assert [name for name in cli.far_servers if _is_left(name)] == []


def _is_left(name: str) -> bool:
    owner = process_in(name)
    return owner is None or owner.state() is not ProcessState.ALIVE
