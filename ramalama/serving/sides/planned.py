"""The host of a remote engine for a dry run, which connects to nothing.

What an earlier start has found out is used. Without it, the paths, the number of threads and the
kind of mounts are assumptions, as they are printed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama.serving.sides.facts import HostFacts
from ramalama.serving.sides.side import LocalSide
from ramalama.serving.sides.snapshot import host_at
from ramalama.serving.sides.ssh_files import SshPlacement
from ramalama.serving.sides.volumes import VolumePlacement
from ramalama_values import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.planning.placement import Placement
    from ramalama_accel.host import Host

_SSH = "ssh://"
_USER = 1000
_ASSUMED = HostFacts(
    engine="",
    cpus=2,
    memory=0,
    sees_files=False,
    has_sockets=False,
    uid=_USER,
    gid=_USER,
    store="/path/to/models",
    run_dir=f"/run/user/{_USER}/ramalama",
)


@frozen()
class PlannedSide(LocalSide):
    """What is known, or assumed, of the host of an engine that must not be asked."""

    run_dir: Path
    url: str
    facts: HostFacts
    is_known: bool
    is_here: bool = False

    @property
    def user(self) -> tuple[int, int]:
        """The user of the server's files there."""
        return self.facts.uid, self.facts.gid

    @property
    def threads(self) -> int:
        """Half the processors there."""
        return max(1, self.facts.cpus // 2)

    def memory(self, host: Host) -> int | None:  # noqa: ARG002 (that of another host)
        """Return all the memory there."""
        return self.facts.memory or None

    def accelerated(self, host: Host) -> Host:
        """Return the host there, as far as it is known."""
        engine = self.facts.engine
        return host_at(self.run_dir, self.url, engine=engine, env=host.env)


def planned_side(run_dir: Path, url: str) -> PlannedSide:
    """Return the host of the engine at *url*, which is not asked."""
    known = HostFacts.read(run_dir, url)
    over_ssh = url.startswith(_SSH)
    facts = known or replace(_ASSUMED, sees_files=over_ssh, has_sockets=over_ssh)
    placement: Placement
    if facts.sees_files:
        placement = SshPlacement(
            run_dir=facts.run_dir, places={}, unsent=facts.store, has_sockets=facts.has_sockets
        )
    else:
        placement = VolumePlacement(volume="ramalama-model")
    return PlannedSide(
        run_dir=run_dir,
        url=url,
        facts=facts,
        is_known=known is not None,
        placement=placement,
        name=url,
    )
