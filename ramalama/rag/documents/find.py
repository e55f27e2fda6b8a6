"""Find the documents that a user names: files, directories, URLs and standard input."""

from __future__ import annotations

import hashlib
import os
import sys
from typing import TYPE_CHECKING, Protocol

from ramalama.errors import DocumentNotFound, OptionRefused
from ramalama.rag.document_names import STDIN, is_url
from ramalama.rag.documents.files import read_file
from ramalama.rag.documents.ignore import Rules
from ramalama.rag.documents.limits import LARGEST_FILE, Unreadable, too_large
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

_DEEPEST = 64  # directories in each other
_MOST_FILES = 200_000


@frozen(kw_only=False)
class Loaded:
    """The bytes of a document.

    Attributes:
        uri: as in `Document`.
        media_type: what a server says it is; "" if it comes from a file.
    """

    uri: str
    data: bytes
    media_type: str = ""

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes, in hex."""
        return hashlib.sha256(self.data).hexdigest()


class Source(Protocol):
    """A document that was found and not read yet."""

    @property
    def uri(self) -> str:
        """What names it; see `Document`."""
        ...

    def load(self) -> Loaded:
        """Return its bytes.

        Raises:
            Unreadable: it cannot be read, or it is too large.
        """
        ...


@frozen()
class FoundFile:
    """A file that the user has named, or that is below a directory that he has named."""

    uri: str
    root: str
    below: tuple[str, ...] = ()

    def load(self) -> Loaded:
        """Return the bytes of the file."""
        return Loaded(self.uri, read_file(self.root, self.below))


@frozen()
class StandardInput:
    """What is piped into the command, read once.

    Attributes:
        is_there: whether there is anything to read; an update has only the names of documents.
    """

    uri: str = STDIN
    is_there: bool = True

    def load(self) -> Loaded:
        """Read to the end of standard input."""
        if not self.is_there:
            msg = "came from standard input"
            raise Unreadable(msg, may_pass=True)
        data = sys.stdin.buffer.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise too_large(LARGEST_FILE)
        return Loaded(self.uri, data)


@frozen()
class FoundDocuments:
    """What was found.

    Attributes:
        sources: the documents, in the order of their URIs, each once.
        skipped: URI and reason of what was left out, other than by rules.
    """

    sources: tuple[Source, ...]
    skipped: tuple[tuple[str, str], ...]


def find_documents(
    names: Sequence[str],
    open_url: Callable[[str], Source],
    *,
    leave_out: Collection[str] = (),
    has_stdin: bool = True,
) -> FoundDocuments:
    """Return the documents that *names* stand for; see `Loaded.uri`.

    *open_url* makes the source of an ``http://`` or ``https://`` URL. *leave_out* are real paths of
    files that are no documents, such as the index itself. Without standard input (*has_stdin*), "-"
    stands for a document that cannot be read now.

    Raises:
        DocumentNotFound: one of them does not exist.
        OptionRefused: a directory has too many files.
    """
    check_names(names)
    sources: dict[str, Source] = {}
    skipped: dict[str, str] = {}
    for name in names:
        if name == STDIN:
            sources[STDIN] = StandardInput(is_there=has_stdin)
        elif is_url(name):
            source = open_url(name)
            sources[source.uri] = source
        elif os.path.isdir(name):  # noqa: PTH112 (a name may be no valid text)
            _add_directory(name, sources, skipped, leave_out)
        else:
            _add_file(name, sources)
    return FoundDocuments(
        sources=tuple(sources[uri] for uri in sorted(sources)),
        skipped=tuple(sorted(skipped.items())),
    )


def check_names(names: Sequence[str]) -> None:
    """Check that the paths among *names* exist.

    Raises:
        DocumentNotFound: one of them does not.
    """
    for name in names:
        if name != STDIN and not is_url(name) and not os.path.exists(name):  # noqa: PTH110 (see above)
            msg = f"{name}: there is no such document"
            raise DocumentNotFound(msg)


def _add_file(name: str, sources: dict[str, Source]) -> None:
    uri = _uri(os.path.normpath(name))
    sources[uri] = FoundFile(uri=uri, root=name)


def _add_directory(
    name: str, sources: dict[str, Source], skipped: dict[str, str], leave_out: Collection[str]
) -> None:
    for below, problem in _walk(name):
        path = os.path.normpath(os.path.join(name, *below))  # noqa: PTH118 (see above)
        uri = _uri(path)
        if problem:
            skipped[uri] = problem
        elif os.path.realpath(path) not in leave_out:
            sources[uri] = FoundFile(uri=uri, root=name, below=below)
        if len(sources) > _MOST_FILES:
            msg = f"{name} has more than {_MOST_FILES} files"
            raise OptionRefused(msg, hint="name directories with fewer files, or use .ragignore")


def _walk(root: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path below *root* of each file, and why it is left out, or ""."""
    rules: dict[str, Rules] = {}
    # The slash makes a link of the root itself followed.
    for directory, directories, files, descriptor in os.fwalk(f"{root}/", follow_symlinks=False):
        relative = os.path.relpath(directory, root)
        inner = "" if relative == os.curdir else relative
        parts = tuple(inner.split("/")) if inner else ()
        own = rules.pop(inner, Rules()).within(inner, descriptor)
        yield from (((*parts, name), problem) for name, problem in _links(directories, descriptor))
        directories[:] = [
            name
            for name in sorted(directories)
            if not own.ignores(_join(inner, name), is_directory=True)
            and not _is_link(name, descriptor)
        ]
        if len(parts) == _DEEPEST and directories:
            yield parts, f"has more than {_DEEPEST} directories in each other"
            directories.clear()
        rules.update({_join(inner, name): own for name in directories})
        for name in sorted(files):
            if not own.ignores(_join(inner, name), is_directory=False):
                problem = "is a symbolic link" if _is_link(name, descriptor) else ""
                yield (*parts, name), problem


def _links(names: Sequence[str], directory: int) -> Iterator[tuple[str, str]]:
    """Yield the links to directories, which are not followed."""
    for name in names:
        if not name.startswith(".") and _is_link(name, directory):
            yield name, "is a symbolic link"


def _is_link(name: str, directory: int) -> bool:
    try:
        os.readlink(name, dir_fd=directory)
    except OSError:
        return False
    return True


def _join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def _uri(path: str) -> str:
    """Return *path* as text, even if its bytes are none."""
    return os.fsencode(path).decode(errors="backslashreplace")
