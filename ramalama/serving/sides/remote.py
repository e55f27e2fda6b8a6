"""The host of an engine that may be another one than this: over ssh, over TLS, in a machine.

What is possible is found out by evidence (`facts`), never by the address or the operating system:

| the engine sees     | model                  | server                                           |
|---------------------|------------------------|--------------------------------------------------|
| our files           | mounted as it is       | its socket, or a port where kernels differ       |
| those of ssh's host | sent by SFTP           | its socket, through ssh                          |
| neither             | sent into a volume     | a port with a key; through ssh if there is one   |

A virtual machine of this host may see some of our directories and not others, so it is asked for
each model.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ramalama.config.defaults import LOOPBACK
from ramalama.planning.placement import LocalFiles, SeparateFiles
from ramalama.serving.sides.accelerators import look_for_accelerators
from ramalama.serving.sides.evidence import gather
from ramalama.serving.sides.facts import HostFacts, forget
from ramalama.serving.sides.far_models import FarModels
from ramalama.serving.sides.server_dirs import ServerDirs, is_server
from ramalama.serving.sides.side import HERE
from ramalama.serving.sides.snapshot import (
    Snapshot,
    remove_old_snapshots,
    remove_snapshot,
    unknown_host,
)
from ramalama.serving.sides.ssh_files import SshPlacement
from ramalama.serving.sides.volumes import VolumePlacement
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ramalama.planning.placement import Placement
    from ramalama.serving.run_dir import ServerDir
    from ramalama.serving.sides.copies import ModelCopy
    from ramalama.serving.sides.side import EngineSide
    from ramalama.serving.sides.upload import Upload
    from ramalama_accel.host import Host
    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_engines import Engine
    from ramalama_engines.route import RemoteFiles, SshHost

_UNIX = "unix://"
_NOT_LOOKED = "they are looked for when the first server starts there"


class RemoteSide:
    """The host of *engine*; meets `EngineSide`. *run_dir* has what is known of it."""

    is_here = False

    def __init__(self, engine: Engine, run_dir: Path) -> None:
        self._engine = engine
        self._run_dir = run_dir
        self._known = HostFacts.read(run_dir, engine.url)
        self._snapshot: Snapshot | None = None
        self._image = ""
        self._is_seen = False  # the model, where it is
        self._renewed: dict[str, threading.Event] = {}

    @property
    def name(self) -> str:
        """The host for messages: its name, or the address of the engine."""
        ssh = self._engine.ssh
        return ssh.name if ssh else self._engine.url

    @property
    def user(self) -> tuple[int, int]:
        """The user of the server's files there."""
        return self._facts.uid, self._facts.gid

    @property
    def threads(self) -> int:
        """Half the processors there."""
        return max(1, self._facts.cpus // 2)

    def memory(self, host: Host) -> int | None:  # noqa: ARG002 (that of another host)
        """Return all the memory there: engines do not tell how much of it is free."""
        return self._facts.memory or None

    @property
    def accelerators(self) -> Snapshot | None:
        """What was found of the accelerators there; None if it was not looked yet."""
        if self._snapshot is None and self._known is not None:
            url, engine = self._engine.url, self._known.engine
            self._snapshot = Snapshot.read(self._run_dir, url, engine=engine)
        return self._snapshot

    def accelerated(self, host: Host) -> Host:
        """Return the host there; without an accelerator if it was not looked yet."""
        if self._known is not None and self._is_here(self._known):
            return host
        found = self.accelerators
        if found is None:
            return unknown_host(self._run_dir, self._engine.url)
        return found.host(host.env)

    @property
    def unknown(self) -> str:
        """Why nothing is known: it was not looked yet, or that failed."""
        if self._known is not None and self._is_here(self._known):
            return ""
        found = self.accelerators
        return _NOT_LOOKED if found is None else found.failure

    @property
    def placement(self) -> Placement:
        """Where the files of a server will be; its model is not there yet."""
        facts = self._facts
        if not facts.sees_files:
            return VolumePlacement(volume="ramalama-model", published_on=self._address())
        return self._of_servers if self._files is None else self._over_ssh({})

    @property
    def expected(self) -> EngineSide:
        """The side for a plan: this host if a socket here leads to an engine not looked at yet."""
        return HERE if self._is_machine and self._known is None else self

    def settle(self, fetch_image: Callable[[], str]) -> EngineSide:
        """Gather the evidence if it is not known; return this host if it shows that it is here."""
        if self._known is None:
            remove_snapshot(self._run_dir, self._engine.url)
            self._image = fetch_image()
            self._known = gather(self._engine, self._run_dir, self._image)
            self._known.write(self._run_dir, self._engine.url)
        facts = self._known
        if self._is_here(facts):
            return HERE
        if self.accelerators is None:
            self._image = self._image or fetch_image()
            self._snapshot = look_for_accelerators(self._engine, self._image, self._run_dir)
        return self

    def bring(self, upload: Upload) -> Placement:
        """Send the files, unless they are seen there; see `FarModels`."""
        self._image = upload.image
        if (places := self._models.by_ssh(upload)) is not None:
            return self._over_ssh(places)
        models = self._models.bring(upload)
        self._is_seen = isinstance(models, LocalFiles)
        return SeparateFiles(models=models, servers=self._of_servers)

    def has(self, upload: Upload) -> bool:
        """Return whether the files are there still; those of this host are."""
        return self._is_seen or self._models.has(upload)

    def make_directory(self, instance: ServerDir, contents: Mapping[str, str]) -> None:
        """Create the directory on both hosts, and begin its lease."""
        HERE.make_directory(instance, contents)
        self._servers.make(instance.path.name, contents)

    def remove_directory(self, instance: ServerDir) -> None:
        """Remove the directory from both hosts; first there, since this one names its owner."""
        if is_server(instance.path.name):
            self._servers.remove(instance.path.name)
            HERE.remove_directory(instance)

    def endpoint(self, planned: Endpoint, instance: ServerDir, *, port: int | None) -> Endpoint:
        """Return a socket or port here that ssh forwards; without ssh, the port there."""
        ssh = self._engine.ssh
        match planned:
            case UnixEndpoint() if ssh is not None:
                there = self._servers.socket(instance.path.name)
                return UnixEndpoint(path=str(ssh.forward_socket(there)))
            case TcpEndpoint() if ssh is not None:
                here = ssh.forward_port(planned.host, planned.port, local=port or 0)
                return TcpEndpoint(host=LOOPBACK, port=here, api_key=planned.api_key)
            case _:
                return planned

    def describe(self, planned: Endpoint, instance: ServerDir) -> str:
        """Return the address on the engine's host."""
        if isinstance(planned, UnixEndpoint) and self._engine.ssh is not None:
            return f"{self.name}:{self._servers.socket(instance.path.name)}"
        return f"{planned} on {self.name}" if self._engine.ssh else str(planned)

    def share(self, instance: ServerDir) -> None:
        """End the lease: the server is kept for other processes."""
        self._servers.keep(instance.path.name)

    def is_over(self, name: str) -> bool:
        """Return whether no process has renewed the lease for ten minutes, by the clock there."""
        return is_server(name) and self._servers.is_over(name)

    def copies(self) -> Sequence[ModelCopy]:
        """Return the models that were sent into volumes, and by ssh."""
        return self._models.copies()

    def remove_copy(self, copy: ModelCopy) -> None:
        """Remove a volume, or a file and its note."""
        self._models.remove(copy)

    def forget(self) -> None:
        """Have the next process look at the host again."""
        with suppress(OSError):
            forget(self._run_dir, self._engine.url)
        remove_snapshot(self._run_dir, self._engine.url)

    def sweep(self) -> None:
        """Remove directories and volumes of processes that ended."""
        remove_old_snapshots(self._run_dir)
        if self._known is not None:
            self._servers.sweep(self._run_dir)

    def _is_here(self, facts: HostFacts) -> bool:
        return facts.sees_files and facts.has_sockets and not self._engine.ssh

    @property
    def _is_machine(self) -> bool:
        """Whether a socket of this host leads to the engine: if not to here, to a machine here."""
        return self._engine.url.startswith(_UNIX) and self._engine.ssh is None

    @property
    def _of_servers(self) -> Placement:
        """Where the directory of a server is on an engine without ssh."""
        facts = self._facts
        if not facts.sees_files:
            return VolumePlacement(volume="", published_on=self._address())
        return LocalFiles(has_sockets=facts.has_sockets)

    @property
    def _facts(self) -> HostFacts:
        if self._known is None:
            self._known = gather(self._engine, self._run_dir, None)
        return self._known

    @property
    def _files(self) -> RemoteFiles | None:
        ssh: SshHost | None = self._engine.ssh
        return ssh.files if ssh else None

    def _over_ssh(self, places: Mapping[Path, str]) -> SshPlacement:
        facts = self._facts
        return SshPlacement(
            run_dir=facts.run_dir,
            places=places,
            unsent=facts.store,
            has_sockets=facts.has_sockets,
        )

    @property
    def _models(self) -> FarModels:
        return FarModels(
            engine=self._engine,
            facts=self._facts,
            files=self._files,
            host=self.name,
            locks=self._run_dir,
            may_see=self._is_machine,
        )

    @property
    def _servers(self) -> ServerDirs:
        return ServerDirs(
            engine=self._engine,
            facts=self._facts,
            files=self._files,
            host=self.name,
            image=self._image,
            renewed=self._renewed,
        )

    def _address(self) -> str:
        """Return the address at which a port of the engine's host can be reached from here."""
        url = urlsplit(self._engine.url)
        if url.scheme != "tcp" or not url.hostname:
            return LOOPBACK
        try:
            found = socket.getaddrinfo(url.hostname, None, type=socket.SOCK_STREAM)
        except OSError:
            return LOOPBACK
        return str(found[0][4][0])
