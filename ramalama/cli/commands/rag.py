"""`ramalama rag`: make an index of documents that models answer from, and look into it."""

from __future__ import annotations

import difflib
import json
import re
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS, collect_garbage
from ramalama.cli.exit_codes import USAGE
from ramalama.cli.invocation import GlobalArguments, ensure_no_dryrun, invoke, parser, typed
from ramalama.cli.output.index_progress import BuildProgress, summary
from ramalama.cli.output.table import table
from ramalama.cli.output.terminal import print_error
from ramalama.cli.signals import handled_signals
from ramalama.errors import (
    DocumentNotFound,
    IndexInvalid,
    IndexNotFound,
    InvalidReference,
    OptionRefused,
    engine_errors,
)
from ramalama.rag.build import CHUNK_SIZE, check_destination, index_file
from ramalama.rag.cache import kept_index
from ramalama.rag.documents.find import check_names
from ramalama.rag.index.archive import Archive
from ramalama.rag.indexing import index_documents, update_index
from ramalama.serving.images import parse_image
from ramalama.units import human_size
from ramalama_values.directories import PRIVATE, make_directories
from ramalama_values.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ramalama.cli.invocation import Invocation
    from ramalama.rag.build import BuildReport
    from ramalama.rag.index.meta import IndexMeta
    from ramalama.rag.values import Embedder, PictureReader

_ACTIONS = ("info", "list", "update")
_NONE = "none"
_SIZES = range(32, 8193)  # tokens
_TAGGED = re.compile(r"[^./~][^/]*(/[^/]+)*/[^/]+:[\w.-]+")
_IMAGE = re.compile(r"(oci|docker)://|([^/]+[.:][^/]*|localhost)/")
_WORDS_ONLY = """\
The index has no vectors, so only words are searched, not meanings;
make it again with --embedding-model MODEL to change that"""
_EPILOG = """\
A DOCUMENT is a file, a directory, a URL, or - for standard input: Markdown, text, source code,
HTML, PDF, docx or csv; with --ocr-model also scanned pages and pictures (PNG, JPEG). Of a directory
all files are taken, other than hidden ones and those that .gitignore or .ragignore name. Links
below a directory are not followed. DESTINATION is the index: a file, a directory, in which it is
called rag.db, or an OCI image: quay.io/me/docs:1.

The index has the documents that are named, and no other ones. When it is made again, only what has
changed is read. A command that was interrupted continues where it stopped.

  ramalama rag info INDEX      what an index has
  ramalama rag list INDEX      its documents
  ramalama rag update INDEX    make it again from the same documents, in the same directory
A document or an index with one of these names is ./info, ./list or ./update.

examples:
  ramalama rag ./docs README.md project.db
  ramalama rag https://example.com/guide.html guide.db
  pandoc notes.odt -t markdown | ramalama rag - notes.db
  ramalama rag ./docs quay.io/me/docs:1 && ramalama push oci://quay.io/me/docs:1
  ramalama run --rag project.db MODEL "how do I build it?"
"""


class RagArguments(GlobalArguments):
    """The parsed arguments of `ramalama rag`."""

    chunk_size: int | None
    destination: str
    documents: list[str]
    embedding_model: str | None
    json: bool
    ocr_model: str | None


def execute(words: Sequence[str]) -> int:
    """Run `ramalama rag` with the arguments *words*, and return the exit code."""
    if len(words) == 1 and words[0] in _ACTIONS:
        print_error(
            f"Error: `rag {words[0]}` needs the name of an index; see `ramalama rag --help`"
        )
        return USAGE
    arguments = make_parser().parse_intermixed_args(words, RagArguments())
    action = _action(arguments)
    if complaint := _misuse(arguments, action):
        print_error(f"Error: {complaint}")
        return USAGE
    if action in {None, "update"} and ensure_no_dryrun(arguments, ["rag", *_shown(arguments)]):
        return 0
    invocation = invoke(arguments)
    match action:
        case "info":
            _show(_find(invocation, arguments), arguments)
        case "list":
            _list(_find(invocation, arguments), arguments)
        case "update":
            _update(invocation, arguments)
        case _:
            _make(invocation, arguments)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama rag`."""
    result = parser("rag", VERBS["rag"].summary, epilog=_EPILOG)
    result.add_argument(
        "documents",
        metavar="DOCUMENT",
        nargs="+",
        help="file, directory, URL, or - for standard input; or info, list or update",
    )
    result.add_argument(
        "destination", metavar="DESTINATION", help="file, directory or image of the index"
    )
    result.add_argument(
        "--chunk-size",
        type=typed(_chunk_size),
        metavar="TOKENS",
        help=f"the largest size of a piece that is found (default: {CHUNK_SIZE})",
    )
    result.add_argument(
        "--embedding-model",
        metavar="MODEL",
        help="model that finds passages by their meaning; none: by their words only"
        " (default: that of the index, else of the settings, else nomic-embed-text)",
    )
    result.add_argument(
        "--ocr-model",
        metavar="MODEL",
        help="model that reads scanned pages and pictures; none: they are left out"
        " (default: that of the index, else of the settings, else none)",
    )
    result.add_argument("--json", action="store_true", help="info, list: print JSON")
    return result


def _action(arguments: RagArguments) -> str | None:
    first, *rest = arguments.documents
    return first if first in _ACTIONS and not rest else None


def _misuse(arguments: RagArguments, action: str | None) -> str | None:
    """Return what is wrong with the combination of arguments; None if it is valid."""
    first = arguments.documents[0]
    if action is None and first in _ACTIONS:
        return f"`rag {first}` takes one index; a document of this name is ./{first}"
    if arguments.json and action not in {"info", "list"}:
        return "--json is only for `rag info` and `rag list`"
    making = (arguments.chunk_size, arguments.embedding_model, arguments.ocr_model)
    if action is not None and any(making):
        return f"--chunk-size, --embedding-model and --ocr-model are not for `rag {action}`"
    return None


def _make(invocation: Invocation, arguments: RagArguments) -> None:
    destination = arguments.destination
    if not _names_an_image(destination):
        path = index_file(destination)
        if _TAGGED.fullmatch(destination) and not path.parent.exists():
            msg = f"{destination}: neither a path, since there is no {path.parent}, nor an image"
            raise InvalidReference(msg, hint="name the registry of an image: quay.io/me/docs:1")
        _index(invocation, arguments, path, shown=str(path))
        sys.stdout.write(f"{printable(str(path))}\n")
        return
    from ramalama.rag.images import load_index, pack_index  # noqa: PLC0415 (few make an image)

    name = _image_name(destination, is_made=True)
    path = kept_index(invocation.user, name)
    with invocation.ramalama() as ramalama:
        engine = ramalama.connect()  # first: without it, the work would be for nothing
        make_directories(path.parent, mode=PRIVATE)
        _index(invocation, arguments, path, shown=name)
        with engine_errors():
            load_index(engine, pack_index(path), name)
    sys.stdout.write(f"{printable(name)}\n")


def _index(invocation: Invocation, arguments: RagArguments, path: Path, *, shown: str) -> None:
    _check_documents(arguments.documents)  # before a model is started
    check_destination(path)
    earlier = _earlier(path)
    usual = CHUNK_SIZE if earlier is None else earlier.chunk_size

    def make(
        progress: BuildProgress, embedder: Embedder | None, pictures: PictureReader | None
    ) -> BuildReport:
        return index_documents(
            arguments.documents,
            path,
            embedder=embedder,
            chunk_size=arguments.chunk_size or usual,
            pictures=pictures,
            on_event=progress.follow,
        )

    from ramalama.cli.embedding_model import opened_model  # noqa: PLC0415 (not for the help)
    from ramalama.cli.ocr_model import opened_ocr_model  # noqa: PLC0415 (as above)

    model = opened_model(
        invocation, arguments.embedding_model, earlier, chunk_size=arguments.chunk_size
    )
    _run(
        invocation, shown, (model, opened_ocr_model(invocation, arguments.ocr_model, earlier)), make
    )
    if arguments.embedding_model is None:
        _note_words_only(invocation, earlier)


def _check_documents(names: Sequence[str]) -> None:
    """Check that the documents exist; one that does not may be a misspelt action."""
    try:
        check_names(names)
    except DocumentNotFound as exc:
        similar = difflib.get_close_matches(names[0], _ACTIONS, n=1) if len(names) == 1 else []
        if not similar:
            raise
        hint = f"did you mean `ramalama rag {similar[0]}`?"
        raise DocumentNotFound(exc.message, hint=hint) from None


def _update(invocation: Invocation, arguments: RagArguments) -> None:
    if _names_an_image(arguments.destination):
        msg = f"{arguments.destination} is an image, which stays as it is"
        raise OptionRefused(msg, hint="make it again: `ramalama rag DOCUMENT... IMAGE`")
    path = index_file(arguments.destination)
    with Archive(path) as archive:
        meta = archive.meta

    def update(
        progress: BuildProgress, embedder: Embedder | None, pictures: PictureReader | None
    ) -> BuildReport:
        return update_index(
            path, meta, embedder=embedder, pictures=pictures, on_event=progress.follow
        )

    from ramalama.cli.embedding_model import opened_model  # noqa: PLC0415 (not for the help)
    from ramalama.cli.ocr_model import opened_ocr_model  # noqa: PLC0415 (as above)

    models = opened_model(invocation, None, meta), opened_ocr_model(invocation, None, meta)
    _run(invocation, str(path), models, update)
    _note_words_only(invocation, meta)
    sys.stdout.write(f"{printable(str(path))}\n")


def _run(
    invocation: Invocation,
    shown: str,
    models: tuple[
        AbstractContextManager[Embedder | None], AbstractContextManager[PictureReader | None]
    ],
    work: Callable[[BuildProgress, Embedder | None, PictureReader | None], BuildReport],
) -> None:
    """Do the work with *models*, which embed texts and read pictures, and say what was done."""
    collect_garbage()
    progress = BuildProgress(quiet=invocation.quiet)
    embedding, seeing = models  # a model that does not see is refused first
    with handled_signals(), seeing as pictures, embedding as embedder:
        try:
            report = work(progress, embedder, pictures)
        finally:
            progress.clear()
    if not invocation.quiet:
        for line in summary(report, shown):
            print_error(line)


def _note_words_only(invocation: Invocation, earlier: IndexMeta | None) -> None:
    """Say so if the index has no vectors as before, and the user has not asked for that."""
    if earlier is None or earlier.embedder is not None or invocation.quiet:
        return
    if invocation.config.embedding_model != _NONE:
        print_error(_WORDS_ONLY)


def _find(invocation: Invocation, arguments: RagArguments) -> Path:
    """Return the file of the index that is named, which may be in an image."""
    if not _names_an_image(arguments.destination):
        return index_file(arguments.destination)
    with handled_signals(), invocation.ramalama() as ramalama:
        return ramalama.read_index(_image_name(arguments.destination, is_made=False))


def _earlier(path: Path) -> IndexMeta | None:
    """Return what the index at *path* says of itself; None if there is none that can be read."""
    with suppress(IndexNotFound, IndexInvalid), Archive(path) as archive:
        return archive.meta
    return None


def _show(path: Path, arguments: RagArguments) -> None:
    is_image = _names_an_image(arguments.destination)
    shown = arguments.destination if is_image else str(path)
    with Archive(path) as archive:
        meta, size = archive.meta, archive.size
        scanned = sum(len(each.pages_without_text) for each in archive.documents())
    if arguments.json:
        record = _record(shown, meta, size, scanned)
        json.dump(record, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    rows = [
        ("index", shown),
        ("size", human_size(size)),
        ("documents", f"{meta.documents:,}"),
        ("chunks", f"{meta.chunks:,} of at most {meta.chunk_size} tokens"),
        ("pages without text", f"{scanned:,}"),
        ("embedding model", _model_of(meta)),
        *((("dimension", str(meta.embedder.dimension)),) if meta.embedder else ()),
        *((("without vector", f"{meta.without_vector:,}"),) if meta.without_vector else ()),
        *((("pages read by", meta.ocr.model),) if meta.ocr else ()),
        ("made of", ", ".join(meta.sources)),
    ]
    sys.stdout.write(table([(name, printable(value)) for name, value in rows]))


def _record(shown: str, meta: IndexMeta, size: int, scanned: int) -> Mapping[str, object]:
    embedder = meta.embedder
    return {
        "index": shown,
        "size": size,
        "documents": meta.documents,
        "chunks": meta.chunks,
        "chunk_size": meta.chunk_size,
        "pages_without_text": scanned,
        "embedding_model": embedder and {"model": embedder.model, "dimension": embedder.dimension},
        "without_vector": meta.without_vector,
        "ocr_model": meta.ocr and {"model": meta.ocr.model},
        "sources": list(meta.sources),
    }


def _list(path: Path, arguments: RagArguments) -> None:
    with Archive(path) as archive:
        documents = archive.documents()
    if arguments.quiet:
        sys.stdout.write("".join(f"{printable(each.uri)}\n" for each in documents))
    elif arguments.json:
        records = [
            {
                "uri": each.uri,
                "title": each.title,
                "digest": f"sha256:{each.digest}",
                "chunks": each.chunks,
                "pages_without_text": list(each.pages_without_text),
            }
            for each in documents
        ]
        json.dump(records, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        rows = [
            (printable(each.uri), printable(each.title), str(each.chunks)) for each in documents
        ]
        sys.stdout.write(table([("DOCUMENT", "TITLE", "CHUNKS"), *rows]))


def _model_of(meta: IndexMeta) -> str:
    return _NONE if meta.embedder is None else meta.embedder.model


def _shown(arguments: RagArguments) -> Sequence[str]:
    return [*arguments.documents, arguments.destination]


def _names_an_image(destination: str) -> bool:
    """Return whether *destination* is a reference of an image and not a path: ``quay.io/me/docs``.

    A path wins if it exists, or the directory for it.
    """
    path = Path(destination)
    if path.exists() or (path.parent != Path() and path.parent.is_dir()):
        return False
    return _IMAGE.match(destination) is not None and not destination.startswith((".", "/", "~"))


def _image_name(destination: str, *, is_made: bool) -> str:
    """Return the name for the engine, with a tag or a digest; one that *is_made* needs a tag.

    Raises:
        InvalidReference: it is not valid.
    """
    text = re.sub(r"^(oci|docker)://", "", destination)
    reference = parse_image(text)
    if reference is not None and reference.digest and not is_made:
        return reference.format()
    if reference is None or reference.digest:
        msg = f"{destination}: an image that is made is named by a tag: quay.io/me/docs:1"
        raise InvalidReference(msg)
    return replace(reference, tag=reference.tag or "latest").format()


def _chunk_size(text: str) -> int:
    if not text.isdecimal() or int(text) not in _SIZES:
        msg = f"a whole number from {_SIZES.start} to {_SIZES.stop - 1}"
        raise ValueError(msg)
    return int(text)
