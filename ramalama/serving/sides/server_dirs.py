"""The directories of servers on an engine's host: their socket or key, and their lease.

A host without ssh has a volume for the key of each server instead.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.planning.labels import (
    INSTANCE_LABEL,
    LABEL,
    OWNER_LABEL,
    SOCKET_NAME,
    UPLOAD_LABEL,
)
from ramalama.serving.sides.evidence import is_private
from ramalama.serving.sides.lease import FileLeases, VolumeLeases
from ramalama.serving.sides.volumes import INSIDE, server_volume, tar_of
from ramalama.serving.sides.worker import Workers
from ramalama.serving.usage import process_in
from ramalama.system.process_identity import ProcessIdentity, ProcessState
from ramalama_engines.errors import ContainerConflict, EngineError, RemoteFileError
from ramalama_engines.spec import VolumeMount
from ramalama_values import frozen

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    from ramalama.serving.sides.facts import HostFacts
    from ramalama.serving.sides.lease import Leases
    from ramalama_engines import Engine
    from ramalama_engines.route import RemoteFiles

_SERVER = r"[0-9a-f]{8}-[0-9]{1,10}-[0-9]{1,20}-[0-9a-f]{8}"  # of a directory; see `run_dir`


def is_server(name: str) -> bool:
    """Return whether the directory of a server can have this *name*, which a label may say."""
    return re.fullmatch(_SERVER, name) is not None


@frozen()
class ServerDirs:
    """The directories on the host of *engine*; each has the name of the one here.

    Attributes:
        files: the files of the host; None if there is no ssh.
        host: the host, for messages.
        image: an image that is local to the engine; "" if nothing is made.
        renewed: the leases of this process, by the name of the server; `set` ends one.
    """

    engine: Engine
    facts: HostFacts
    files: RemoteFiles | None
    host: str
    image: str
    renewed: dict[str, threading.Event]

    def make(self, name: str, contents: Mapping[str, str]) -> None:
        """Create the directory, and begin its lease."""
        facts, files = self.facts, self.files
        if not facts.sees_files:
            self._make_volume(name, contents)
        elif files is not None:
            there = f"{facts.run_dir}/{name}"
            files.make_directory(facts.run_dir)
            if not is_private(files, facts.run_dir, facts.uid):
                msg = f"{facts.run_dir} on {self.host} is not a private directory of that user"
                raise EngineError(msg, engine=self.engine.kind)
            files.make_directory(there)
            for each, content in contents.items():
                files.write(f"{there}/{each}", content.encode())
        if leases := self._leases:
            self.renewed[name] = leases.begin(name)

    def socket(self, name: str) -> str:
        """Return the path there of the server's socket."""
        return f"{self.facts.run_dir}/{name}/{SOCKET_NAME}"

    def remove(self, name: str) -> None:
        """Remove the directory, or the volume."""
        self._end_lease(name)
        if not is_server(name):
            return
        if not self.facts.sees_files:
            self.engine.remove_volume(server_volume(name))
        elif self.files is not None:
            self.files.remove(f"{self.facts.run_dir}/{name}")
        if leases := self._leases:
            leases.remove(name)

    def keep(self, name: str) -> None:
        """End the lease: the server is kept for other processes."""
        self._end_lease(name)
        if leases := self._leases:
            leases.keep(name)

    def is_over(self, name: str) -> bool:
        """Return whether no process has renewed the lease for ten minutes, by the clock there."""
        leases = self._leases
        return leases is not None and leases.is_over(name)

    def sweep(self, run_dir: Path) -> None:
        """Remove what belongs to processes of this host that have ended, and is not in *run_dir*.

        Other users of this host may keep servers there, whose records only they have.
        """
        states = self.engine.list({LABEL: ""})
        served = {Path(state.labels.get(INSTANCE_LABEL, "")).name for state in states}
        names = {*self._names(), *(self._leases.names() if self._leases else ())}
        for name in filter(is_server, names):
            if name not in served and not (run_dir / name).exists() and self._is_left(name):
                with suppress(ContainerConflict):
                    self.remove(name)

    def _is_left(self, name: str) -> bool:
        identity = process_in(name)
        if identity is None or identity.state() is not ProcessState.DEAD:
            return False
        leases = self._leases
        return leases is None or not leases.is_kept(name)

    def _names(self) -> Iterator[str]:
        if not self.facts.sees_files:
            beginning = server_volume("")
            for volume in self.engine.volumes({UPLOAD_LABEL: ""}):
                if volume.name.startswith(beginning):
                    yield volume.name.removeprefix(beginning)
        elif self.files is not None:
            with suppress(RemoteFileError):
                yield from self.files.listing(self.facts.run_dir)

    def _make_volume(self, name: str, contents: Mapping[str, str]) -> None:
        volume = server_volume(name)
        owner = ProcessIdentity.of_this_process().format()
        self.engine.create_volume(volume, {UPLOAD_LABEL: "", OWNER_LABEL: owner})
        mount = VolumeMount(name=volume, target=INSIDE, read_only=False)
        uid = 0 if self.engine.rootless else self.facts.uid  # see `planning.plan`
        workers = Workers(self.engine, self.image, (mount,), volume, user=f"{uid}:{uid}")
        with workers.created() as container:
            for each, text in contents.items():
                content = text.encode()
                archive = tar_of(each, iter([content]), size=len(content), uid=uid, mode=0o400)
                self.engine.copy_into(container, INSIDE, archive)

    @property
    def _leases(self) -> Leases | None:
        """The leases; None if the engine is in a machine of this host, where we see who lives."""
        if not self.facts.sees_files:
            return VolumeLeases(self.engine)
        return FileLeases(self.files, self.facts.run_dir) if self.files is not None else None

    def _end_lease(self, name: str) -> None:
        if ended := self.renewed.pop(name, None):
            ended.set()
