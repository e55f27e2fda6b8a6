"""Keep models and servers' directories on an engine's host, through its ssh service.

STORE/sha256-HEX             a file of a model; if it may not be written: verified and complete
STORE/sha256-HEX.json        the model that it was sent for
STORE/sha256-HEX.SENDER.part a file that is being sent by a user of a host
STORE/sha256-HEX.removing    a file that is being removed
RUN_DIR/IDENTITY-TOKEN/      the directory of a server: its socket or key, and its lease
"""

from __future__ import annotations

import json
import logging
import re
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

from ramalama.config.defaults import LOOPBACK
from ramalama.events import Notice, UploadPlanned
from ramalama.serving.sides.copies import ModelCopy, sender
from ramalama.serving.sides.evidence import is_own, is_private
from ramalama.serving.sides.upload import batches, each_file, not_the_same
from ramalama.serving.sides.upload_meter import UploadMeter
from ramalama.serving.sides.worker import Workers
from ramalama.serving.usage import SENDING_SUFFIX
from ramalama.system.locks import InUse, locked, refuse_to_wait
from ramalama.units import human_size
from ramalama_engines.errors import ContainerConflict, EngineError, RemoteFileError
from ramalama_engines.route import PROTECTED
from ramalama_engines.spec import BindMount
from ramalama_values import frozen
from ramalama_values.json import is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ramalama.models.formats.model_files import Digest
    from ramalama.planning.placement import ServerPaths
    from ramalama.serving.sides.upload import Upload
    from ramalama_engines import Engine
    from ramalama_engines.route import RemoteFile, RemoteFiles
    from ramalama_engines.spec import Mount

_log = logging.getLogger("ramalama.remote")

_PROGRAM = "sha256sum"
_INSIDE = "/check"
_DIGITS = 64
_PART = ".part"
_NOTE = ".json"
_ASIDE = ".removing"
_CONTENT = "sha256-"
_FILE = rf"{_CONTENT}[0-9a-f]{{64}}(?P<rest>(\.[0-9a-z-]+{_PART}|{_ASIDE})?)"
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


@frozen()
class SshStore:
    """The models on an engine's host, below the directory *store* there.

    Attributes:
        user: the IDs of the user of the files there, and of the group.
        name: the host, for messages.
        locks: a directory of this host, where processes that send the same file meet.
    """

    engine: Engine
    files: RemoteFiles
    store: str
    user: tuple[int, int]
    name: str
    locks: Path

    @property
    def _uid(self) -> int:
        return self.user[0]

    def bring(self, upload: Upload) -> Mapping[Path, str]:
        """Send the files that are not there, and return where all of them are."""
        digests = {path: upload.digest_of(path) for path, _ in upload.each}
        there = self._complete(digests)
        missing = {digest: path for path, digest in digests.items() if path not in there}
        if missing:
            self._make_store()
            total = sum(path.stat().st_size for path in missing.values())
            unsent = self._require_space(missing)
            upload.tell(UploadPlanned(self.name, len(missing), total, unsent))
            # Every process takes its locks in this order.
            ordered = sorted(missing.items(), key=lambda item: item[0].hex)
            for batch in batches(ordered, lambda item: item[1].stat().st_size):
                self._bring_batch(dict(batch), upload)
        return {path: self._path(digest) for path, digest in digests.items()}

    def has(self, upload: Upload) -> bool:
        """Return whether all files are there."""
        digests = {path: upload.digest_of(path) for path, _ in upload.each}
        return len(self._complete(digests)) == len(digests)

    def copies(self) -> Iterator[ModelCopy]:
        """Yield the files of models, complete or not."""
        for name, found in self._listing().items():
            if not (known := re.fullmatch(_FILE, name)):
                continue
            path = f"{self.store}/{name}"
            complete = not known["rest"] and self._is_complete(found, found.size)
            yield ModelCopy(
                model=self._model_of(f"{path}{_NOTE}") if complete else "",
                place=path,
                size=found.size,
                complete=complete,
                arriving=name.endswith(_PART) and self._is_sent(name, found),
            )

    def _listing(self) -> Mapping[str, RemoteFile]:
        try:
            return self.files.listing(self.store)
        except RemoteFileError as exc:
            if exc.missing:
                return {}
            raise

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

    def remove(self, place: str, is_used: Callable[[], bool]) -> None:
        """Remove the file of a model, and its note.

        It gets another name first. A server that is being started looks for it when its container
        exists, and *is_used* knows of that container: so either that start finds the file missing,
        or it is given back.

        Raises:
            ContainerConflict: it is used.
        """
        if place.endswith((_PART, _ASIDE)):
            self.files.remove(place)
            self.files.remove(f"{place}{_NOTE}")
            return
        self.files.rename(place, f"{place}{_ASIDE}")
        if is_used():
            self.files.rename(f"{place}{_ASIDE}", place)
            msg = f"a server uses {place}"
            raise ContainerConflict(msg, engine=self.engine.kind)
        self.files.remove(f"{place}{_ASIDE}")
        self.files.remove(f"{place}{_NOTE}")

    def _make_store(self) -> None:
        """Create the directory.

        Raises:
            EngineError: other users may write to it.
        """
        self.files.make_directory(self.store)
        if not is_private(self.files, self.store, self._uid):
            msg = f"{self.store} on {self.name} is not a private directory of that user"
            raise EngineError(msg, hint="remove it, or: chmod go-w", engine=self.engine.kind)

    def _complete(self, digests: Mapping[Path, Digest]) -> Sequence[Path]:
        """Return the files that are there, were verified, and could not be changed since."""
        paths = [self.store, *map(self._path, digests.values())]
        store, *found = self.files.find_all(paths)
        if not is_own(store, self._uid):
            return ()
        return [
            path
            for path, file in zip(digests, found, strict=True)
            if self._is_complete(file, path.stat().st_size)
        ]

    def _is_complete(self, found: RemoteFile | None, size: int) -> bool:
        return is_own(found, self._uid) and found.mode == PROTECTED and found.size == size

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

    def _bring_batch(self, batch: Mapping[Digest, Path], upload: Upload) -> None:
        waiting = Notice(f"waiting for another process that sends the model to {self.name}")
        locks = [self._lock(digest.hex) for digest in batch]
        with ExitStack() as stack:
            for lock in locks:
                tell = partial(upload.tell, waiting)
                stack.enter_context(locked(lock, on_wait=tell, permissions=0o600))
            missing = self._without_found(batch, upload)
            for digest, path in missing.items():
                self._send(digest, path, upload)
            parts = {self._part(digest): digest for digest in missing}
            if self._verify(parts, missing, upload) != set(missing):
                raise not_the_same(self.name, self.engine.kind)
            for digest, path in missing.items():
                self._finish(digest, path, upload.model)
            for lock in locks:
                lock.unlink(missing_ok=True)

    def _without_found(self, batch: Mapping[Digest, Path], upload: Upload) -> Mapping[Digest, Path]:
        """Return what is still to be sent; verify files that have the right name and size."""
        found = dict(zip(batch, self.files.find_all(list(map(self._path, batch))), strict=True))
        sizes = {digest: path.stat().st_size for digest, path in batch.items()}
        complete = {each for each in batch if self._is_complete(found[each], sizes[each])}
        whole: dict[str, Digest] = {}
        for digest in batch.keys() - complete:
            file = found[digest]
            if is_own(file, self._uid) and file.size == sizes[digest] and not file.is_directory:
                whole[self._path(digest)] = digest
            elif file is not None:
                self.files.remove(self._path(digest))
        verified = self._verify(whole, batch, upload)
        for digest in verified:
            self.files.protect(self._path(digest))
        return {each: path for each, path in batch.items() if each not in complete | verified}

    def _send(self, digest: Digest, path: Path, upload: Upload) -> None:
        part = self._part(digest)
        if not is_own(begun := self.files.find(part), self._uid) or begun.is_directory:
            self.files.remove(part)
        size = path.stat().st_size
        self._upload(path, part, UploadMeter(path.name, size, upload.tell).report)

    def _finish(self, digest: Digest, path: Path, model: str) -> None:
        """Give a part that was verified its name; its mode comes last, and makes it count."""
        place, part = self._path(digest), self._part(digest)
        note = json.dumps({"model": model, "file": path.name, "size": path.stat().st_size})
        begun = f"{part}{_NOTE}"  # another host may write the note, too
        self.files.remove(begun)
        self.files.write(begun, note.encode())
        self.files.rename(begun, f"{place}{_NOTE}")
        self.files.rename(part, place)
        self.files.protect(place)
        _log.debug("%s is on %s", digest, self.name)

    def _upload(self, path: Path, part: str, on_progress: Callable[[int], None]) -> None:
        try:
            self.files.upload(path, part, on_progress=on_progress)
        except RemoteFileError as exc:
            if not exc.full:
                raise
            msg = f"{self.name}: the disk is full; what has arrived of the model is kept"
            raise EngineError(msg, hint=_FULL, engine=self.engine.kind) from exc

    def _verify(
        self, places: Mapping[str, Digest], paths: Mapping[Digest, Path], upload: Upload
    ) -> set[Digest]:
        """Compute the digests of the files at *places* there; remove and leave out the wrong ones.

        *paths* has the files here.
        """
        if not places:
            return set()
        inside = {f"{_INSIDE}/{number}": place for number, place in enumerate(places)}
        mounts = tuple(
            BindMount(source=place, target=target, relabel=True) for target, place in inside.items()
        )
        # Without capabilities, only its user can read it: root in a container of a rootless engine.
        uid, gid = (0, 0) if self.engine.rootless else self.user
        label = next(iter(places.values())).hex
        workers = Workers(self.engine, upload.image, mounts, label, user=f"{uid}:{gid}")
        size = sum(paths[digest].stat().st_size for digest in places.values())
        output = workers.run((_PROGRAM, *inside), size=size, lines=len(inside))
        computed = {line[_DIGITS:].strip(): line[:_DIGITS] for line in output.splitlines()}
        verified: set[Digest] = set()
        for target, place in inside.items():
            if computed.get(target) == places[place].hex:
                verified.add(places[place])
            else:
                self.files.remove(place)
        return verified
