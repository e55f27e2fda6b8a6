"""The models on an engine's host: seen there, sent by SFTP, or sent into a volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.planning.placement import LocalFiles
from ramalama.serving.sides.copies import used_models
from ramalama.serving.sides.evidence import sees_model
from ramalama.serving.sides.ssh_files import SshStore
from ramalama.serving.sides.volumes import VolumePlacement, VolumeStore
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ramalama.planning.placement import Placement
    from ramalama.serving.sides.copies import ModelCopy
    from ramalama.serving.sides.facts import HostFacts
    from ramalama.serving.sides.upload import Upload
    from ramalama_engines import Engine
    from ramalama_engines.route import RemoteFiles


@frozen()
class FarModels:
    """The models on the host of *engine*.

    Attributes:
        files: the files of the host; None if there is no ssh.
        host: the host, for messages.
        locks: a directory of this host, where processes that send the same model meet.
        may_see: whether the engine may see our files, since it is in a machine of this host.
    """

    engine: Engine
    facts: HostFacts
    files: RemoteFiles | None
    host: str
    locks: Path
    may_see: bool

    def by_ssh(self, upload: Upload) -> Mapping[Path, str] | None:
        """Send the files by SFTP, and return where they are; None if the engine sees none there."""
        store = self._store if self.facts.sees_files else None
        return store.bring(upload) if store else None

    def bring(self, upload: Upload) -> Placement:
        """Send the files into a volume, unless the engine sees them."""
        if self.may_see and sees_model(self.engine, upload.files, upload.image):
            return LocalFiles()
        return VolumePlacement(volume=self._volumes.bring(upload))

    def has(self, upload: Upload) -> bool:
        """Return whether the files are there that were sent."""
        store = self._store if self.facts.sees_files else None
        return store.has(upload) if store else self._volumes.has(upload)

    def copies(self) -> Sequence[ModelCopy]:
        """Return the models that were sent into volumes, and by ssh."""
        return [*self._volumes.copies(), *(self._store.copies() if self._store else ())]

    def remove(self, copy: ModelCopy) -> None:
        """Remove a volume, or a file and its note."""
        if not copy.place.startswith("/"):
            self._volumes.remove(copy.place)
        elif self._store is not None:
            self._store.remove(copy.place, lambda: copy.model in used_models(self.engine))

    @property
    def _store(self) -> SshStore | None:
        if self.files is None:
            return None
        return SshStore(
            engine=self.engine,
            files=self.files,
            store=self.facts.store,
            user=(self.facts.uid, self.facts.gid),
            name=self.host,
            locks=self.locks,
        )

    @property
    def _volumes(self) -> VolumeStore:
        return VolumeStore(engine=self.engine, name=self.host, locks=self.locks)
