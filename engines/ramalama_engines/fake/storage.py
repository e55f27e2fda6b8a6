"""The named volumes of the engine in memory, and the files in its containers."""

from __future__ import annotations

import posixpath
import sys
import tarfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ramalama_engines.errors import EngineError
from ramalama_engines.fake.container import FakeFile
from ramalama_engines.rest.archive import ChunkReader, no_directory, no_file
from ramalama_engines.rest.volumes import check_volume_name, listed_volumes, volume_in_use
from ramalama_engines.spec import BindMount, ContainerFile, Volume, VolumeMount
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ramalama_engines.fake.container import FakeContainer
    from ramalama_engines.spec import Mount

_CHUNK = 65536
_IMAGE_DIRECTORIES = ("/", "/tmp", "/etc", "/run")  # noqa: S108 (those of a fake image)


Files = dict[str, FakeFile]


@frozen(kw_only=False)
class _Place:
    """Where a path of a container leads: into *files*, or to a file of the engine's host."""

    files: Files
    path: str
    is_writable: bool
    on_host: Path | None = None


class FakeStorage:
    """Volumes and files; *root* is the directory that is ``/`` on the engine's host."""

    def __init__(self, engine: str, root: Path, *, check_open: Callable[[], None]) -> None:
        self._engine = engine
        self._root = root
        self._check_open = check_open
        self._volumes: dict[str, tuple[Volume, Files]] = {}

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a volume, unless it exists."""
        check_volume_name(name, engine=self._engine)
        volume = Volume(name=name, labels=dict(labels), created=datetime.now(tz=UTC))
        self._volumes.setdefault(name, (volume, {"/": FakeFile()}))

    def volumes(self, labels: Mapping[str, str]) -> Sequence[Volume]:
        """Return the volumes that have *labels*."""
        described = [
            {"Name": volume.name, "Labels": volume.labels, "CreatedAt": str(volume.created)}
            for volume, _ in self._volumes.values()
        ]
        return listed_volumes(described, labels)

    def remove_volume(self, name: str, containers: Iterable[FakeContainer]) -> None:
        """Remove a volume that none of *containers* uses."""
        if name in self._volumes:
            if any(name in _volume_names(found.spec.mounts) for found in containers):
                raise volume_in_use(name, engine=self._engine)
            del self._volumes[name]

    def prepare(self, mounts: Sequence[Mount]) -> Files:
        """Return the files of a new container, and create the volumes that it mounts."""
        for name in _volume_names(mounts):
            self.create_volume(name, {})
        return {path: FakeFile() for path in _IMAGE_DIRECTORIES}

    def copy_into(self, container: FakeContainer, directory: str, archive: Iterable[bytes]) -> None:
        """Extract *archive*; a file whose content ends early stays as it is then."""
        place = self._place(container, directory)
        at = self.find_in(container, directory)
        if at is None or not at.is_directory:
            raise no_directory(directory, container.state.name, engine=self._engine)
        if not place.is_writable:
            msg = f"{directory} in the container {container.state.name} is read-only"
            raise EngineError(msg, engine=self._engine)
        with tarfile.open(fileobj=ChunkReader(archive, sys.maxsize), mode="r|") as tar:
            for member in tar:
                path = posixpath.normpath(posixpath.join(place.path, member.name))
                for parent in _parents(path):
                    place.files.setdefault(parent, FakeFile())
                file = FakeFile(mode=member.mode, is_directory=not member.isreg())
                place.files[path] = file
                content = tar.extractfile(member) if member.isreg() else None
                while content and (piece := content.read(_CHUNK)):
                    self._check_open()
                    file.content += piece

    def find_in(self, container: FakeContainer, path: str) -> ContainerFile | None:
        """Return what *path* is."""
        place = self._place(container, path)
        if place.on_host is None:
            found = place.files.get(place.path)
            return found.describe() if found else None
        try:
            status = place.on_host.stat()
        except OSError:
            return None
        return ContainerFile(
            size=status.st_size,
            mode=status.st_mode & 0o777,
            is_directory=place.on_host.is_dir(),
            is_special=not (place.on_host.is_dir() or place.on_host.is_file()),
        )

    def read_from(self, container: FakeContainer, path: str, *, most: int) -> bytes:
        """Return the content of a file."""
        found = self.find_in(container, path)
        if found is None or found.is_directory or found.is_special:
            raise no_file(path, container.state.name, engine=self._engine)
        place = self._place(container, path)
        if place.on_host is not None:
            return place.on_host.read_bytes()[:most]
        return bytes(place.files[place.path].content[:most])

    def _place(self, container: FakeContainer, path: str) -> _Place:
        path = posixpath.normpath("/" + path.lstrip("/"))
        own = _Place(container.files, path, is_writable=not container.spec.read_only)
        mounts = sorted(container.spec.mounts, key=lambda mount: len(mount.target))
        for mount in reversed(mounts):
            target = posixpath.normpath(mount.target)
            if path != target and not path.startswith(f"{target}/"):
                continue
            inside = path.removeprefix(target) or "/"
            match mount:
                case BindMount():
                    on_host = self._root / f"{mount.source}{inside}".strip("/")
                    return _Place({}, inside, is_writable=False, on_host=on_host)
                case VolumeMount():
                    _, files = self._volumes[mount.name]
                    return _Place(files, inside, is_writable=not mount.read_only)
                case _:
                    container.files.setdefault(target, FakeFile())
                    return own
        return own


def _volume_names(mounts: Iterable[Mount]) -> Iterator[str]:
    yield from (mount.name for mount in mounts if isinstance(mount, VolumeMount))


def _parents(path: str) -> Iterator[str]:
    while (path := posixpath.dirname(path)) != "/":
        yield path
