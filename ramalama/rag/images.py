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
import shutil
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import IndexUnwritable, RagError
from ramalama.models.formats.model_files import Digest
from ramalama.models.transports.oci.image_archive import image_archive
from ramalama.models.transports.oci.pack import pack_file
from ramalama.planning.labels import LABEL
from ramalama.rag.index.guard import find_index
from ramalama.rag.index.index import Index
from ramalama.serving.sides.worker import Workers
from ramalama.system.locks import locked
from ramalama.units import human_size
from ramalama_values.directories import PRIVATE, make_directories
from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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

    The copy bears the ID of the image. Whether it is an index must be checked when it is opened.

    Raises:
        RagError: the image has none, or the copy does not fit on the disk.
        EngineError: the engine does not answer.
    """
    goal = cache / f"image-{Digest.parse(image.id).hex}.db"
    try:
        if goal.exists():
            return goal
        make_directories(cache, mode=PRIVATE)
        lock = goal.with_suffix(".lock")
        with locked(lock, permissions=0o600):
            try:
                if not goal.exists():
                    _copy(engine, image, goal)
            finally:
                lock.unlink(missing_ok=True)
    except OSError as exc:
        msg = f"the index of the image cannot be kept in {cache}: {exc.strerror or exc}"
        raise IndexUnwritable(msg) from exc
    return goal


def _copy(engine: Engine, image: LocalImage, goal: Path) -> None:
    with Workers(engine, image.id, (), _READERS).created(("none",)) as container:
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
    if found is not None and not found.is_directory:
        return found.size
    if any(engine.find_in(container, path) is not None for path in _UPSTREAM):
        msg = "the image has an index of upstream RamaLama, which this program does not read"
        raise RagError(msg, hint="make a new one of the documents: ramalama rag DOCUMENT... IMAGE")
    msg = f"the image has no index: there is no /{_INSIDE} in it"
    raise RagError(msg, hint="make one with: ramalama rag DOCUMENT... IMAGE")


def _save(content: Iterable[bytes], size: int, goal: Path) -> None:
    """Write *content* to *goal*, which appears whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f"{goal.name}.", suffix=".part", dir=goal.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor)
            written = sum(file.write(block) for block in content)
            file.flush()
            os.fsync(descriptor)
        _ensure_whole(written, size)
        Path(name).replace(goal)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


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
