"""Keep models and servers' directories on an engine's host, through its ssh service.

STORE/sha256-HEX             a file of a model, verified and complete
STORE/sha256-HEX.json        the model that it was sent for
STORE/sha256-HEX.SENDER.part a file that is being sent by a user of a host
RUN_DIR/IDENTITY-TOKEN/      the directory of a server: its socket or key, and its lease
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.config.defaults import LOOPBACK
from ramalama.events import Notice, UploadPlanned
from ramalama.serving.sides.copies import ModelCopy, sender
from ramalama.serving.sides.upload_meter import UploadMeter
from ramalama.serving.sides.worker import Workers
from ramalama.serving.usage import SENDING_SUFFIX
from ramalama.system.locks import InUse, locked, refuse_to_wait
from ramalama.units import human_size
from ramalama_engines.errors import EngineError, RemoteFileError
from ramalama_engines.spec import BindMount
from ramalama_values import frozen
from ramalama_values.json import is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ramalama.events import EventHook
    from ramalama.models.formats.model_files import Digest
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.planning.placement import ServerPaths
    from ramalama_engines import Engine
    from ramalama_engines.route import RemoteFile, RemoteFiles
    from ramalama_engines.spec import Mount

_log = logging.getLogger("ramalama.remote")

_PROGRAM = "sha256sum"
_INSIDE = "/check/model"
_DIGITS = 64
_PART = ".part"
_NOTE = ".json"
_CONTENT = "sha256-"
_CLOCK = ".clock"
_SENDING_TIME = 600.0  # seconds, within which what has arrived is verified
_LONGEST_NOTE = 16 * 1024
_FULL = "`ramalama gc --engine-side` frees the models that no server uses"


@frozen()
class SshPlacement:
    """The files of a model and of a server on the engine's host; meets `Placement`.

    *places* are the paths there of files here; others are shown with their name in *unsent*.
    """

    run_dir: str
    places: Mapping[Path, str]
    unsent: str
    has_sockets: bool
    published_on: str = LOOPBACK

    def model(self, files: Mapping[Path, str], *, relabel: bool) -> tuple[Mount, ...]:
        """Mount the copies, each file by itself."""
        return tuple(
            BindMount(source=self._source(path), target=place, relabel=relabel)
            for path, place in each_file(files)
        )

    def _source(self, path: Path) -> str:
        return self.places.get(path) or f"{self.unsent}/{path.name}"

    def server(
        self, instance: ServerPaths, *, target: str, read_only: bool, relabel: bool
    ) -> Mount:
        """Mount the directory of the same name on the engine's host."""
        source = f"{self.run_dir}/{instance.path.name}"
        return BindMount(source=source, target=target, read_only=read_only, relabel=relabel)


def each_file(files: Mapping[Path, str]) -> list[tuple[Path, str]]:
    """Return *files* with their paths in the container; each directory as the files in it."""
    found: list[tuple[Path, str]] = []
    for path, place in files.items():
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.is_file())
            found += [(each, f"{place}/{each.relative_to(path)}") for each in inside]
        else:
            found.append((path, place))
    return found


def not_the_same(host: str, engine: str) -> EngineError:
    """Return the error for a file that has another digest on *host*."""
    msg = f"{host}: the model that has arrived there is not the one that was sent"
    return EngineError(msg, hint="try again", engine=engine)


@frozen()
class SshStore:
    """The models on an engine's host, below the directory *store* there.

    Attributes:
        name: the host, for messages.
        locks: a directory of this host, where processes that send the same file meet.
    """

    engine: Engine
    files: RemoteFiles
    store: str
    name: str
    locks: Path

    def bring(
        self,
        model: StoredModel,
        files: Sequence[Path],
        *,
        digest_of: Callable[[Path], Digest],
        image: str,
        tell: EventHook,
    ) -> Mapping[Path, str]:
        """Send the *files* that are not there, and return where all of them are."""
        digests = {path: digest_of(path) for path in files}
        missing = {digest: path for path, digest in digests.items() if not self._has(digest, path)}
        if missing:
            self.files.make_directory(self.store)
            total = sum(path.stat().st_size for path in missing.values())
            unsent = self._require_space(missing)
            tell(UploadPlanned(self.name, len(missing), total, unsent))
            for digest, path in missing.items():
                self._send(digest, path, model=str(model.reference), image=image, tell=tell)
        return {path: self._path(digest) for path, digest in digests.items()}

    def copies(self) -> Iterator[ModelCopy]:
        """Yield the files of models, complete or not."""
        for name in self.files.names(self.store) if self.files.find(self.store) else ():
            path = f"{self.store}/{name}"
            found = self.files.find(path)
            if found is not None and not name.endswith(_NOTE):
                model = self._model_of(f"{path.removesuffix(_PART)}{_NOTE}")
                complete = not name.endswith(_PART)
                yield ModelCopy(
                    model=model,
                    place=path,
                    size=found.size,
                    complete=complete,
                    arriving=not complete and self._is_sent(name, found),
                )

    def _is_sent(self, name: str, found: RemoteFile) -> bool:
        """Return whether a process of this user sends a part, or one of another may do so."""
        content, _, owner = name.removesuffix(_PART).partition(".")
        if owner == sender():
            lock = self._lock(content.removeprefix(_CONTENT))
            try:
                with locked(lock, on_wait=refuse_to_wait, permissions=0o600):
                    lock.unlink()
            except InUse:
                return True
            return False
        clock = f"{self.store}/{_CLOCK}"
        self.files.touch(clock)
        now = self.files.find(clock)
        self.files.remove(clock)
        return now is not None and now.modified - found.modified < _SENDING_TIME

    def _lock(self, digest: str) -> Path:
        return self.locks / f"{digest[:32]}{SENDING_SUFFIX}"

    def _model_of(self, note: str) -> str:
        """Return the reference in a note, which other hosts may have written."""
        with suppress(RemoteFileError, ValueError):
            value = parse_json(self.files.read(note, most=_LONGEST_NOTE))
            model = value.get("model") if is_object(value) else None
            return model if isinstance(model, str) else ""
        return ""

    def remove(self, place: str) -> None:
        """Remove the file of a model, and its note."""
        self.files.remove(place)
        self.files.remove(f"{place}{_NOTE}")

    def _has(self, digest: Digest, path: Path) -> bool:
        found = self.files.find(self._path(digest))
        return found is not None and found.size == path.stat().st_size

    def _path(self, digest: Digest) -> str:
        return f"{self.store}/{digest.file_name}"

    def _part(self, digest: Digest) -> str:
        return f"{self._path(digest)}.{sender()}{_PART}"

    def _require_space(self, missing: Mapping[Digest, Path]) -> int:
        """Return the bytes of the *missing* files that have not arrived yet; check their space."""
        free = self.files.free_space(self.store)
        needed = 0
        for digest, path in missing.items():
            begun = self.files.find(self._part(digest))
            needed += path.stat().st_size - (begun.size if begun else 0)
        if free is not None and free < needed:
            msg = (
                f"{self.name}: {human_size(needed)} of the model are still to be sent, and "
                f"{human_size(free)} are free in {self.store}"
            )
            raise EngineError(msg, hint=_FULL, engine=self.engine.kind)
        return needed

    def _send(self, digest: Digest, path: Path, *, model: str, image: str, tell: EventHook) -> None:
        waiting = Notice(f"waiting for another process that sends the model to {self.name}")
        lock = self._lock(digest.hex)
        with locked(lock, on_wait=lambda: tell(waiting), permissions=0o600) as waited:
            if waited and self._has(digest, path):
                return
            size, part = path.stat().st_size, self._part(digest)
            self._upload(path, part, UploadMeter(path.name, size, tell).report)
            self._verify(part, digest, image=image, size=size)
            note = json.dumps({"model": model, "file": path.name, "size": size})
            self.files.remove(f"{self._path(digest)}{_NOTE}")
            self.files.write(f"{self._path(digest)}{_NOTE}", note.encode())
            self.files.rename(part, self._path(digest))
            lock.unlink(missing_ok=True)

    def _upload(self, path: Path, part: str, on_progress: Callable[[int], None]) -> None:
        try:
            self.files.upload(path, part, on_progress=on_progress)
        except RemoteFileError as exc:
            if not exc.full:
                raise
            msg = f"{self.name}: the disk is full; what has arrived of the model is kept"
            raise EngineError(msg, hint=_FULL, engine=self.engine.kind) from exc

    def _verify(self, part: str, digest: Digest, *, image: str, size: int) -> None:
        """Compute the digest of what has arrived, on the engine's host; remove it if it differs."""
        mount = BindMount(source=part, target=_INSIDE, relabel=True)
        workers = Workers(self.engine, image, (mount,), digest.hex)
        output = workers.run((_PROGRAM, _INSIDE), size=size)
        if output[:_DIGITS] != digest.hex:
            self.files.remove(part)
            raise not_the_same(self.name, self.engine.kind)
        _log.debug("%s is on %s", digest, self.name)
