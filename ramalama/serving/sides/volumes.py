"""Keep models and servers' keys in volumes of an engine that sees no files of ours.

    ramalama-model-HEX           the files of one model, as they are below /mnt there
    ramalama-model-HEX-complete  its mark
    ramalama-server-NAME         the key of one server; NAME is that of its directory

A model arrives in parts, through a container that is created and never started. Another one puts
the parts together and verifies the result. When all files were verified, a second volume, which is
empty, is made as a *mark*, and no volume counts without it. A part that was cut off is shorter than
it should be, and is sent again.

    .parts-SENDER/NUMBER/       the parts of one file, from the processes of one user of one host
    .parts-SENDER/NUMBER.joined what was put together of them

Two hosts may send the same model at once. The first one that has verified a file gives it its name,
and removes the parts of all hosts; the others find the file, and go on with the next one.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ramalama.config.defaults import LOOPBACK
from ramalama.events import Notice, UploadPlanned
from ramalama.planning.labels import MODEL_LABEL, UPLOAD_LABEL
from ramalama.planning.mounts import MODELS
from ramalama.serving.sides.copies import ModelCopy, sender
from ramalama.serving.sides.upload import batches, not_the_same
from ramalama.serving.sides.upload_meter import UploadMeter
from ramalama.serving.sides.worker import WorkerFailed, Workers
from ramalama.serving.usage import SENDING_SUFFIX
from ramalama.system.locks import locked
from ramalama_engines.errors import EngineError
from ramalama_engines.spec import VolumeMount
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from ramalama.events import EventHook
    from ramalama.models.formats.model_files import Digest
    from ramalama.planning.placement import ServerPaths
    from ramalama.serving.sides.upload import Upload
    from ramalama_engines import Engine
    from ramalama_engines.spec import Mount

PART = 32 << 20
"""Bytes of a part; at most so many are sent again after a cut."""

INSIDE = "/upload"
"""The volume in the containers that fill it."""

_CHUNK = 1 << 20
_MODEL_VOLUME = "ramalama-model-"
_DIGITS = 32
_NAME = rf"{_MODEL_VOLUME}[0-9a-f]{{{_DIGITS}}}"
_SIZE_LABEL = f"{UPLOAD_LABEL}.size"
_SIZE = r"[0-9]{1,18}"
_TRIES = 3
_TAR_BLOCK = 512
_DIFFERS = 33  # the exit code of `_JOIN` for another digest; no program in it ends with this one

# For each file, $1: the file, $2: the directory of its parts, $3: the size of a part, $4: their
# number, $5: the digest. A part is removed only when the file has it; so a run that was killed is
# repeated from the last whole part on. The last part, which is shorter, stays until the end. Any
# other host may have finished the same file, and removed the parts, at any moment: then this is
# done, too. Two hosts that remove the same files at once hinder each other.
_JOIN = """\
set -eu
cd /upload
finish() {
  code=$?
  if [ -e "$1" ]; then
    rm -rf .parts-*/"${2##*/}" .parts-*/"${2##*/}.joined" || true
    exit 0
  fi
  exit "$code"
}
join() (
  trap 'finish "$@"' EXIT
  [ ! -e "$1" ] || exit 0
  touch "$2.joined"
  n=$(($(stat -c %s "$2.joined") / $3))
  [ "$n" -lt "$4" ] || n=$(($4 - 1))
  truncate -s "$((n * $3))" "$2.joined"
  while [ "$n" -lt "$4" ]; do
    part=$2/$(printf %06d "$n")
    n=$((n + 1))
    cat "$part" >> "$2.joined"
    [ "$n" -eq "$4" ] || rm "$part"
  done
  if ! echo "$5  $2.joined" | sha256sum -c - >&2; then
    rm -rf "$2" "$2.joined"
    exit 33
  fi
  mkdir -p "$(dirname "$1")"
  chmod 755 . "$(dirname "$1")"
  chmod 644 "$2.joined"
  mv "$2.joined" "$1"
)
while [ "$#" -gt 0 ]; do
  join "$1" "$2" "$3" "$4" "$5"
  shift 5
done
"""


@frozen()
class VolumePlacement:
    """The files of a model and of a server in volumes; meets `Placement`."""

    volume: str
    published_on: str = LOOPBACK
    has_sockets: bool = False

    def model(self, files: Mapping[Path, str], *, relabel: bool) -> tuple[Mount, ...]:  # noqa: ARG002
        """Mount the volume that has them all."""
        return (VolumeMount(name=self.volume, target=MODELS),)

    def server(
        self,
        instance: ServerPaths,
        *,
        target: str,
        read_only: bool,
        relabel: bool,  # noqa: ARG002 (the engine labels its volumes)
    ) -> Mount:
        """Mount the volume of the server."""
        name = server_volume(instance.path.name)
        return VolumeMount(name=name, target=target, read_only=read_only)


def server_volume(name: str) -> str:
    """Return the name of the volume of the server whose directory has this *name*."""
    return f"ramalama-server-{name}"


def tar_of(
    name: str, content: Iterator[bytes], *, size: int, uid: int, mode: int
) -> Iterator[bytes]:
    """Yield a tar archive of one file, whose *content* has *size* bytes."""
    member = tarfile.TarInfo(name)
    member.size, member.uid, member.gid, member.mode = size, uid, uid, mode
    yield member.tobuf()
    yield from content
    yield bytes(-size % _TAR_BLOCK + 2 * _TAR_BLOCK)


@frozen()
class VolumeStore:
    """The models in the volumes of an engine.

    Attributes:
        name: the host, for messages.
        locks: a directory of this host, where processes that send the same model meet.
    """

    engine: Engine
    name: str
    locks: Path

    def bring(self, upload: Upload) -> str:
        """Send the files unless a volume has them all, and return its name."""
        each = [_File(path, place, upload.digest_of(path)) for path, place in upload.each]
        volume = _volume_name(each)
        if self._is_complete(volume):
            return volume
        waiting = Notice(f"waiting for another process that sends the model to {self.name}")
        lock = self.locks / f"{volume}{SENDING_SUFFIX}"
        with locked(lock, on_wait=lambda: upload.tell(waiting), permissions=0o600) as waited:
            if not (waited and self._is_complete(volume)):
                self._send(volume, each, upload)
            lock.unlink(missing_ok=True)
        return volume

    def has(self, upload: Upload) -> bool:
        """Return whether the volume is there that `bring` has filled."""
        each = [_File(path, place, upload.digest_of(path)) for path, place in upload.each]
        return self._is_complete(_volume_name(each))

    def copies(self) -> Iterator[ModelCopy]:
        """Yield the volumes of models, complete or not."""
        volumes = {each.name: each for each in self.engine.volumes({UPLOAD_LABEL: ""})}
        for name, volume in volumes.items():
            if re.fullmatch(_NAME, name):
                size = volume.labels.get(_SIZE_LABEL, "")
                yield ModelCopy(
                    model=volume.labels.get(MODEL_LABEL, ""),
                    place=name,
                    size=int(size) if re.fullmatch(_SIZE, size) else None,
                    complete=_mark(name) in volumes,
                )

    def remove(self, volume: str) -> None:
        """Remove the volume of a model, and its mark."""
        self.engine.remove_volume(volume)
        self.engine.remove_volume(_mark(volume))

    def _is_complete(self, volume: str) -> bool:
        found = {each.name for each in self.engine.volumes({UPLOAD_LABEL: volume})}
        return {volume, _mark(volume)} <= found

    def _send(self, volume: str, files: list[_File], upload: Upload) -> None:
        total = sum(each.size for each in files)
        labels = {UPLOAD_LABEL: volume, MODEL_LABEL: upload.model, _SIZE_LABEL: str(total)}
        mount = VolumeMount(name=volume, target=INSIDE, read_only=False)
        workers = Workers(self.engine, upload.image, (mount,), volume)
        workers.remove_abandoned()
        upload.tell(UploadPlanned(self.name, len(files), total, total))
        with self._held(workers, volume, labels) as container:
            for batch in batches(enumerate(files), lambda each: each[1].size):
                arrived: list[tuple[_File, str]] = []
                for number, file in batch:
                    parts = f".parts-{sender()}/{number}"
                    if self._send_parts(container, file, parts, upload.tell):
                        arrived.append((file, parts))
                self._join(workers, arrived)
            self.engine.create_volume(_mark(volume), {UPLOAD_LABEL: volume})

    @contextmanager
    def _held(self, workers: Workers, volume: str, labels: Mapping[str, str]) -> Generator[str]:
        """Create the volume if it is missing, and a container that has it, so that it stays."""
        with ExitStack() as stack:
            for _ in range(_TRIES):
                self._create(volume, labels)
                container = stack.enter_context(workers.created())
                if self.engine.volumes({UPLOAD_LABEL: volume}):
                    yield container
                    return
                stack.close()  # it was removed meanwhile, and the engine has made another one
        msg = f"{self.name}: the volume {volume} is removed again and again"
        raise EngineError(msg, engine=self.engine.kind)

    def _create(self, volume: str, labels: Mapping[str, str]) -> None:
        """Create the volume, in place of one that an engine has made for a server that needed it.

        Such a volume has no labels, and is empty: ours was removed shortly before. A mark that is
        left must not count for the new one.
        """
        found = [each for each in self.engine.volumes({}) if each.name == volume]
        if any(each.labels.get(UPLOAD_LABEL) == volume for each in found):
            return
        if found:
            self.engine.remove_volume(volume)
        self.engine.remove_volume(_mark(volume))
        self.engine.create_volume(volume, labels)

    def _join(self, workers: Workers, files: Sequence[tuple[_File, str]]) -> None:
        """Put each file together of the parts in its directory, and verify it."""
        arguments: list[str] = []
        for file, parts in files:
            arguments += (file.inside, parts, str(PART), str(file.parts), file.digest.hex)
        if not arguments:
            return
        size = sum(3 * file.size for file, _ in files)
        try:
            workers.run(("sh", "-c", _JOIN, "sh", *arguments), size=size)
        except WorkerFailed as exc:
            if exc.code != _DIFFERS:
                raise
            raise not_the_same(self.name, self.engine.kind) from exc

    def _has(self, container: str, name: str, *, size: int | None = None) -> bool:
        found = self.engine.find_in(container, f"{INSIDE}/{name}")
        return found is not None and size in (None, found.size)

    def _send_parts(self, container: str, file: _File, directory: str, tell: EventHook) -> bool:
        """Send the parts that are missing; return False if the whole file is there already."""
        if not self._has(container, file.inside) and self._has(container, f"{directory}.joined"):
            return True  # all parts had arrived
        meter = UploadMeter(file.path.name, file.size, tell)
        for number in range(file.parts):
            if self._has(container, file.inside):
                return False
            size = min(PART, file.size - number * PART)
            name = f"{directory}/{number:06}"
            if not self._has(container, name, size=size):
                content = file.read(number * PART, size, meter)
                archive = tar_of(name, content, size=size, uid=0, mode=0o600)
                self.engine.copy_into(container, INSIDE, archive)
                if not self._has(container, name, size=size):
                    if self._has(container, file.inside):
                        return False  # another host was faster, and has removed the parts
                    msg = f"{self.name}: a part of the model did not arrive; is the disk full?"
                    raise EngineError(msg, engine=self.engine.kind)
            meter.report(number * PART + size)
        return True


@frozen(kw_only=False)
class _File:
    """A file of a model, and its path in the container, which is also that in the volume."""

    path: Path
    place: str
    digest: Digest

    @property
    def inside(self) -> str:
        return self.place.removeprefix(f"{MODELS}/")

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def parts(self) -> int:
        return max(1, -(-self.size // PART))

    def read(self, offset: int, size: int, meter: UploadMeter) -> Iterator[bytes]:
        """Yield *size* bytes from *offset* on.

        Raises:
            EngineError: the file became shorter meanwhile.
        """
        with self.path.open("rb", buffering=0) as file:
            file.seek(offset)
            left = size
            while left:
                piece = file.read(min(left, _CHUNK))
                if not piece:
                    msg = f"{self.path} has changed while it was sent"
                    raise EngineError(msg)
                yield piece
                left -= len(piece)
                meter.report(offset + size - left)


def _volume_name(files: list[_File]) -> str:
    lines = sorted(f"{file.digest.hex} {file.place}\n" for file in files)
    return _MODEL_VOLUME + hashlib.sha256("".join(lines).encode()).hexdigest()[:_DIGITS]


def _mark(volume: str) -> str:
    return f"{volume}-complete"
