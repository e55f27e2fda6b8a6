"""Request an image build and read its progress: the part that is the same for both engines.

Both engines stream ``{"stream": "text"}``, in pieces that may end inside a line. They report a
failure as ``{"error"}`` in an answer whose status is 200. Docker adds ``{"status", "id"}`` while it
pulls the base image.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ramalama_engines.errors import ImageBuildError
from ramalama_engines.image_reference import ImageReference
from ramalama_engines.rest.build_context import pack
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from ramalama_engines.spec import LocalImage

_COLOR = r"\x1b\[[0-9;]*m"  # docker colours the text that a step writes to stderr


def build_query(tag: str, containerfile: str, build_args: Mapping[str, str]) -> dict[str, str]:
    """Return the query of ``POST /build``, with parameters that both engines support.

    Steps use the host's network: they download packages, and a bridge network needs kernel features
    that some engines do not have.
    """
    return {
        "t": tag,
        "dockerfile": containerfile,
        "buildargs": json.dumps(dict(build_args)),
        "networkmode": "host",
        "forcerm": "true",
    }


def open_context(context: Path, *, tag: str, engine: str) -> BinaryIO:
    """Return the archive of the folder *context*, which the caller closes; *tag* is checked first.

    Raises:
        ImageBuildError: the folder cannot be read, or *tag* is not a valid reference.
    """
    try:
        ImageReference.parse(tag)
        return pack(context)
    except ValueError as exc:
        raise build_error(str(exc), tag=tag, engine=engine) from exc
    except OSError as exc:
        text = f"{exc.filename or context}: {exc.strerror or exc}"
        raise build_error(text, tag=tag, engine=engine) from exc


def follow_build(
    answers: Iterable[Mapping[str, Any]],
    *,
    tag: str,
    engine: str,
    on_progress: Callable[[str], None] | None,
) -> None:
    """Read a build's answers to their end, and call *on_progress* with each line.

    Raises:
        ImageBuildError: the stream reports that the build failed.
    """
    for line in map(_clean, _lines(answers, tag=tag, engine=engine)):
        if line and on_progress is not None:
            on_progress(line)


def _lines(answers: Iterable[Mapping[str, Any]], *, tag: str, engine: str) -> Iterator[str]:
    pending = ""
    for answer in answers:
        if error := answer.get("error"):
            raise build_error(str(error), tag=tag, engine=engine)
        *lines, pending = (pending + _text(answer)).split("\n")
        yield from lines
    yield pending


def built_id(image: LocalImage | None, *, tag: str, engine: str) -> str:
    """Return the ID of the built *image*.

    Raises:
        ImageBuildError: *image* is None: the build ended without one.
    """
    if image is None:
        text = "the build ended without an image"
        raise build_error(text, tag=tag, engine=engine)
    return image.id


def build_error(text: str, *, tag: str, engine: str) -> ImageBuildError:
    """Return the error for a build of *tag* that failed; *text* is usually the engine's message."""
    return ImageBuildError(f"cannot build {one_line(tag)}: {_clean(text)}", engine=engine)


def _text(answer: Mapping[str, Any]) -> str:
    if text := answer.get("stream"):
        return str(text)
    if status := answer.get("status"):
        if answer.get("progressDetail"):  # such lines come many times a second
            return ""
        layer = answer.get("id")
        return f"{layer}: {status}\n" if layer else f"{status}\n"
    return ""


def _clean(text: str) -> str:
    return one_line(re.sub(_COLOR, "", text))
