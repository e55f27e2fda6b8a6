"""What is brought to an engine's host: the files of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ramalama_engines.errors import EngineError
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ramalama.events import EventHook
    from ramalama.models.formats.model_files import Digest

T = TypeVar("T")

_BATCH = 1 << 30  # bytes
_MOST_FILES = 100


@frozen()
class Upload:
    """A model that an engine's host needs.

    Attributes:
        model: the reference of the model.
        files: its files and directories, with their paths in the container.
        digest_of: returns the digest of a file.
        image: an image that is local to the engine; its programs verify what has arrived.
        tell: is told of the progress. An exception raised by it ends the upload; what has arrived
            stays, and the next one goes on with it.
    """

    model: str
    files: Mapping[Path, str]
    digest_of: Callable[[Path], Digest]
    image: str
    tell: EventHook

    @property
    def each(self) -> list[tuple[Path, str]]:
        """Each file with its path in the container; see `each_file`."""
        return each_file(self.files)


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


def batches(items: Iterable[T], size_of: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """Yield *items* in groups that are verified together, since to start a container takes long.

    A group is small, so that little is verified again after a cut.
    """
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == _MOST_FILES or sum(map(size_of, batch)) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def not_the_same(host: str, engine: str) -> EngineError:
    """Return the error for a file that has another digest on *host*."""
    msg = f"{host}: the model that has arrived there is not the one that was sent"
    return EngineError(msg, hint="try again", engine=engine)
