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

import logging
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ramalama.config.defaults import LOOPBACK
from ramalama.planning.labels import (
    INSTANCE_LABEL,
    LABEL,
    OWNER_LABEL,
    SOCKET_NAME,
    UPLOAD_LABEL,
)
from ramalama.planning.placement import LocalFiles, SeparateFiles
from ramalama.serving.sides.accelerators import look_for_accelerators
from ramalama.serving.sides.evidence import gather, is_private, sees_model
from ramalama.serving.sides.facts import HostFacts, forget
from ramalama.serving.sides.lease import Leases
from ramalama.serving.sides.side import HERE
from ramalama.serving.sides.snapshot import (
    Snapshot,
    remove_old_snapshots,
    remove_snapshot,
    unknown_host,
)
from ramalama.serving.sides.ssh_files import SshPlacement, SshStore, each_file
from ramalama.serving.sides.volumes import (
    INSIDE,
    VolumePlacement,
    VolumeStore,
    server_volume,
    tar_of,
)
from ramalama.serving.sides.worker import Workers
from ramalama.serving.usage import process_in
from ramalama.system.process_identity import ProcessIdentity, ProcessState
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_engines.errors import ContainerConflict, EngineError, RemoteFileError
from ramalama_engines.spec import VolumeMount

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ramalama.events import EventHook
    from ramalama.models.formats.model_files import Digest
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.planning.placement import Placement
    from ramalama.serving.run_dir import ServerDir
    from ramalama.serving.sides.copies import ModelCopy
    from ramalama.serving.sides.side import EngineSide
    from ramalama_accel.host import Host
    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_engines import Engine
    from ramalama_engines.route import RemoteFiles, SshHost

_log = logging.getLogger("ramalama.remote")

_SERVER = r"[0-9a-f]{8}-[0-9]{1,10}-[0-9]{1,20}-[0-9a-f]{8}"  # of a directory; see `run_dir`
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

    def bring(
        self,
        model: StoredModel,
        files: Mapping[Path, str],
        *,
        digest_of: Callable[[Path], Digest],
        image: str,
        tell: EventHook,
    ) -> Placement:
        """Send the files, unless they are seen there; see `SshStore` and `VolumeStore`."""
        self._image = image
        store = self._ssh_store
        if store is not None and self._facts.sees_files:
            paths = [path for path, _ in each_file(files)]
            places = store.bring(model, paths, digest_of=digest_of, image=image, tell=tell)
            return self._over_ssh(places)
        models: Placement
        if self._is_machine and sees_model(self._engine, files, image):
            models = LocalFiles()
        else:
            volume = self._volumes.bring(model, files, digest_of=digest_of, image=image, tell=tell)
            models = VolumePlacement(volume=volume)
        return SeparateFiles(models=models, servers=self._of_servers)

    def make_directory(self, instance: ServerDir, contents: Mapping[str, str]) -> None:
        """Create the directory on both hosts, and begin its lease."""
        HERE.make_directory(instance, contents)
        facts, files = self._facts, self._files
        name = instance.path.name
        if not facts.sees_files:
            self._make_volume(name, contents)
        elif files is not None:
            there = f"{facts.run_dir}/{name}"
            files.make_directory(facts.run_dir)
            if not is_private(files, facts.run_dir, facts.uid):
                msg = f"{facts.run_dir} on {self.name} is not a private directory of that user"
                raise EngineError(msg, engine=self._engine.kind)
            files.make_directory(there)
            for each, content in contents.items():
                files.write(f"{there}/{each}", content.encode())
            self._renewed[name] = Leases(files, facts.run_dir).begin(name)

    def remove_directory(self, instance: ServerDir) -> None:
        """Remove the directory from both hosts; first there, since this one names its owner."""
        name = instance.path.name
        self._end_lease(name)
        self._remove_there(name)
        if re.fullmatch(_SERVER, name):
            HERE.remove_directory(instance)

    def endpoint(self, planned: Endpoint, instance: ServerDir, *, port: int | None) -> Endpoint:
        """Return a socket or port here that ssh forwards; without ssh, the port there."""
        ssh = self._engine.ssh
        match planned:
            case UnixEndpoint() if ssh is not None:
                there = f"{self._facts.run_dir}/{instance.path.name}/{SOCKET_NAME}"
                return UnixEndpoint(path=str(ssh.forward_socket(there)))
            case TcpEndpoint() if ssh is not None:
                here = ssh.forward_port(planned.host, planned.port, local=port or 0)
                return TcpEndpoint(host=LOOPBACK, port=here, api_key=planned.api_key)
            case _:
                return planned

    def describe(self, planned: Endpoint, instance: ServerDir) -> str:
        """Return the address on the engine's host."""
        if isinstance(planned, UnixEndpoint) and self._engine.ssh is not None:
            return f"{self.name}:{self._facts.run_dir}/{instance.path.name}/{SOCKET_NAME}"
        return f"{planned} on {self.name}" if self._engine.ssh else str(planned)

    def share(self, instance: ServerDir) -> None:
        """End the lease: the server is kept for other processes."""
        name = instance.path.name
        self._end_lease(name)
        if leases := self._leases:
            leases.keep(name)

    def is_over(self, name: str) -> bool:
        """Return whether no process has renewed the lease for ten minutes, by the clock there."""
        leases = self._leases if re.fullmatch(_SERVER, name) else None
        return leases is not None and leases.is_over(name)

    def copies(self) -> Sequence[ModelCopy]:
        """Return the models that were sent into volumes, and by ssh."""
        store = self._ssh_store
        return [*self._volumes.copies(), *(store.copies() if store else ())]

    def remove_copy(self, copy: ModelCopy) -> None:
        """Remove a volume, or a file and its note."""
        store = self._ssh_store
        if not copy.place.startswith("/"):
            self._volumes.remove(copy.place)
        elif store is not None:
            store.remove(copy.place)

    def forget(self) -> None:
        """Have the next process look at the host again."""
        with suppress(OSError):
            forget(self._run_dir, self._engine.url)
        remove_snapshot(self._run_dir, self._engine.url)

    def sweep(self) -> None:
        """Remove directories, volumes and helper containers of processes that ended."""
        for state in self._engine.list({UPLOAD_LABEL: ""}):
            if _is_dead(state.labels.get(OWNER_LABEL, "")):
                self._engine.remove(state.id, force=True)
        remove_old_snapshots(self._run_dir)
        if self._known is None:
            return
        # Other users of this host may keep servers there, whose records only they have.
        states = self._engine.list({LABEL: ""})
        served = {Path(state.labels.get(INSTANCE_LABEL, "")).name for state in states}
        for name in self._names_there():
            if name not in served and self._is_left(name):
                with suppress(ContainerConflict):
                    self._remove_there(name)

    def _is_left(self, name: str) -> bool:
        """Return whether a directory there belongs to a process of this host that has ended."""
        identity = process_in(name)
        if identity is None or identity.state() is not ProcessState.DEAD:
            return False
        if (self._run_dir / name).exists():
            return False
        leases = self._leases
        return leases is None or not leases.is_kept(name)

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
    def _ssh_store(self) -> SshStore | None:
        files = self._files
        if files is None:
            return None
        return SshStore(
            engine=self._engine,
            files=files,
            store=self._facts.store,
            name=self.name,
            locks=self._run_dir,
        )

    @property
    def _volumes(self) -> VolumeStore:
        return VolumeStore(engine=self._engine, name=self.name, locks=self._run_dir)

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

    def _make_volume(self, name: str, contents: Mapping[str, str]) -> None:
        volume = server_volume(name)
        owner = ProcessIdentity.of_this_process().format()
        self._engine.create_volume(volume, {UPLOAD_LABEL: "", OWNER_LABEL: owner})
        mount = VolumeMount(name=volume, target=INSIDE, read_only=False)
        uid = 0 if self._engine.rootless else self._facts.uid  # see `planning.plan`
        workers = Workers(self._engine, self._image, (mount,), volume, user=f"{uid}:{uid}")
        with workers.created() as container:
            for each, text in contents.items():
                content = text.encode()
                archive = tar_of(each, iter([content]), size=len(content), uid=uid, mode=0o400)
                self._engine.copy_into(container, INSIDE, archive)

    def _remove_there(self, name: str) -> None:
        if not re.fullmatch(_SERVER, name):
            return
        facts, files = self._facts, self._files
        if not facts.sees_files:
            self._engine.remove_volume(server_volume(name))
        elif files is not None:
            files.remove(f"{facts.run_dir}/{name}")

    def _names_there(self) -> Iterator[str]:
        """Yield the names of the servers' directories there, or of their volumes."""
        facts, files = self._facts, self._files
        if not facts.sees_files:
            beginning = server_volume("")
            for volume in self._engine.volumes({UPLOAD_LABEL: ""}):
                if volume.name.startswith(beginning):
                    yield volume.name.removeprefix(beginning)
        elif files is not None:
            with suppress(RemoteFileError):
                yield from files.names(facts.run_dir)

    @property
    def _leases(self) -> Leases | None:
        """The leases on the engine's host; None if servers have no directories there."""
        files = self._files
        if files is None or not self._facts.sees_files:
            return None
        return Leases(files, self._facts.run_dir)

    def _end_lease(self, name: str) -> None:
        if ended := self._renewed.pop(name, None):
            ended.set()


def _is_dead(owner: str) -> bool:
    identity = ProcessIdentity.parse(owner)
    return identity is not None and identity.state() is ProcessState.DEAD
