"""Pack an index as an OCI image, and read it from one.

The image has one file, ``/rag/rag.db``, and labels that say what is in it. It is never started: the
file is read from a container that was only created. The same index gives the same image, byte by
byte, on every engine.

    ai.ramalama.rag.format            the version of the format, 1
    ai.ramalama.rag.documents         their number
    ai.ramalama.rag.chunks            their number
    ai.ramalama.rag.embedder          the model of the vectors, if there are vectors
    ai.ramalama.rag.embedder.digest   of its file
    ai.ramalama.rag.dimension         numbers in a vector

The labels are for people and programs that list images. They may be wrong, so all that they decide
is whether it is worth looking for the file.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from ramalama.errors import IndexInvalid, IndexUnwritable, RagError
from ramalama.models.formats.model_files import Digest
from ramalama.models.transports.oci.image_archive import image_archive
from ramalama.models.transports.oci.pack import pack_file
from ramalama.planning.labels import LABEL
from ramalama.rag.index.guard import find_index, problem_in
from ramalama.rag.index.index import Index
from ramalama.serving.sides.worker import Workers
from ramalama.system.locks import InUse, locked, refuse_to_wait
from ramalama.units import human_size
from ramalama_values.directories import PRIVATE, make_directories
from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from ramalama.models.transports.oci.pack import Package
    from ramalama.rag.values import IndexInfo
    from ramalama_engines import Engine, LocalImage

_INSIDE = "rag/rag.db"
_UPSTREAM = ("/vector.db", "/rag/vector.db")  # a directory of Qdrant in an image of upstream's
_PREFIX = f"{LABEL}.rag"
_FORMAT_LABEL = f"{_PREFIX}.format"
_FORMAT = "1"
_READERS = "rag"  # the label of the containers from which an index is read
_RESERVE = 64 << 20  # bytes that stay free on the disk
_UNUSED = 30 * 86_400.0  # seconds after its last use, for which a copy stays
_PART, _LOCK = ".part", ".lock"
_HINT = "make one with: ramalama rag DOCUMENT... IMAGE"


def pack_index(path: Path) -> Package:
    """Pack the index *path* as an image; it is read once.

    Raises:
        RagError: it is no index.
        OSError: it cannot be read.
    """
    with closing(Index.open(path)) as index:
        return pack_file(find_index(path), inside=_INSIDE, labels=_labels(index.info))


def load_index(engine: Engine, package: Package, name: str) -> str:
    """Bring a packed index to *engine* as the image *name*, and return the ID of the image.

    Raises:
        EngineError: the engine does not answer, or does not take it.
    """
    return engine.load(image_archive(package, name), tag=name)


def has_index(image: LocalImage) -> bool:
    """Return whether an image says that it has an index."""
    return _FORMAT_LABEL in image.labels


def read_index(engine: Engine, image: LocalImage, cache: Path) -> Path:
    """Return a copy in *cache* of the index of a local *image*; it is copied once.

    The copy bears the ID of the image. It stays for 30 days after its last use: the name of an
    image may stand for another one tomorrow, whose copy has another name.

    Raises:
        RagError: the image has none that can be used, or the copy does not fit on the disk.
        EngineError: the engine does not answer.
    """
    goal = cache / f"image-{Digest.parse(image.id).hex}.db"
    workers = Workers(engine, image.id, (), _READERS)
    try:
        if _remove_leftovers(cache):
            workers.remove_abandoned()
        if goal.exists():
            _note_use(goal)
            return goal
        make_directories(cache, mode=PRIVATE)
        lock = goal.with_suffix(_LOCK)
        with locked(lock, permissions=0o600):
            try:
                if not goal.exists():
                    _remove_unused(cache)
                    _copy(workers, goal)
            finally:
                lock.unlink(missing_ok=True)
    except OSError as exc:
        msg = f"the index of the image cannot be kept in {cache}: {exc.strerror or exc}"
        raise IndexUnwritable(msg) from exc
    return goal


def _note_use(copy: Path) -> None:
    with suppress(OSError):  # a cache that is read-only is of use, too
        os.utime(copy)


def _remove_unused(cache: Path) -> None:
    until = time.time() - _UNUSED
    for copy in cache.glob("image-*.db"):
        with suppress(OSError):
            if copy.stat().st_mtime < until:
                copy.unlink()


def _remove_leftovers(cache: Path) -> bool:
    """Remove what processes have left that were killed while they copied an index.

    Return whether there may be any: if so, a container may be left, too.
    """
    ends = (_PART, _LOCK)
    left = [path for path in cache.glob("image-*") if path.suffix in ends]
    for path in left:
        lock = cache / f"{path.name.partition('.')[0]}{_LOCK}"
        with suppress(InUse, OSError), locked(lock, on_wait=refuse_to_wait, permissions=0o600):
            path.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
    return bool(left)


def _copy(workers: Workers, goal: Path) -> None:
    engine = workers.engine
    with workers.created(("none",)) as container:
        size = _find(engine, container)
        free = shutil.disk_usage(goal.parent).free
        if size > free - _RESERVE:
            msg = f"the index has {human_size(size)}, and {goal.parent} has {human_size(free)} left"
            raise IndexUnwritable(msg, hint="free some space, or set XDG_CACHE_HOME")
        _save(engine.read_from(container, f"/{_INSIDE}", most=size), size, goal)


def _find(engine: Engine, container: str) -> int:
    """Return the size of the index in *container*.

    Raises:
        RagError: it has none.
    """
    found = engine.find_in(container, f"/{_INSIDE}")
    if found is not None and found.is_special:  # it is not followed, wherever it leads
        reason = "it is a link, a device or a pipe"
        raise _unusable(reason)
    if found is not None and not found.is_directory:
        return found.size
    if any(engine.find_in(container, path) is not None for path in _UPSTREAM):
        msg = "the image has an index of upstream RamaLama, which this program does not read"
        raise RagError(msg, hint="make a new one of the documents: ramalama rag DOCUMENT... IMAGE")
    msg = f"the image has no index: there is no /{_INSIDE} in it"
    raise RagError(msg, hint=_HINT)


def _save(content: Iterable[bytes], size: int, goal: Path) -> None:
    """Write *content* to *goal*, which appears whole, and as an index, or not at all."""
    part = goal.with_name(f"{goal.name}.{secrets.token_hex(8)}{_PART}")
    try:
        with part.open("xb") as file:
            part.chmod(0o600)
            written = sum(file.write(block) for block in _with_checked_head(content))
            file.flush()
            os.fsync(file.fileno())
        _ensure_whole(written, size)
        _ensure_index(part)
        part.replace(goal)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def _with_checked_head(content: Iterable[bytes]) -> Iterator[bytes]:
    """Yield *content*; end before anything is written if it does not begin as an index does."""
    blocks = iter(content)
    first = next(blocks, b"")
    if problem := problem_in(first):
        raise _unusable(problem)
    yield first
    yield from blocks


def _ensure_index(path: Path) -> None:
    try:
        Index.open(path).close()
    except IndexInvalid as exc:
        raise _unusable(exc.message.removeprefix(f"{path}: ")) from exc


def _unusable(reason: str) -> IndexInvalid:
    return IndexInvalid(f"/{_INSIDE} in the image cannot be used: {reason}", hint=_HINT)


def _ensure_whole(written: int, size: int) -> None:
    if written != size:
        msg = f"the engine sent {written} bytes of an index that has {size}"
        raise RagError(msg)


def _labels(info: IndexInfo) -> Mapping[str, str]:
    labels = {
        _FORMAT_LABEL: _FORMAT,
        f"{_PREFIX}.documents": str(info.documents),
        f"{_PREFIX}.chunks": str(info.chunks),
    }
    if info.embedder is not None:
        labels |= {
            f"{_PREFIX}.embedder": printable(info.embedder.model),
            f"{_PREFIX}.embedder.digest": info.embedder.digest,
            f"{_PREFIX}.dimension": str(info.embedder.dimension),
        }
    return labels
