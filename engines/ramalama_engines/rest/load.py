"""Load an image from an archive: the part that is the same for both engines.

The archive is that of ``docker save``: layers, the configuration, and ``manifest.json``, which
names them (Docker Image Specification 1.2). Podman answers with the names; Docker streams its
progress, in which an error has the status 200.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ramalama_engines.errors import EngineError, ImageBuildError
from ramalama_engines.rest.archive import COPY_FAILURES
from ramalama_engines.rest.http import explain
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ramalama_engines.spec import LocalImage

NO_SUCH_IMAGE = "the archive has no image of this name"


def load_error(text: str, *, tag: str, engine: str) -> EngineError:
    """Return the error for the image *tag* that was not loaded; *text* is the engine's message."""
    if found := explain(text, COPY_FAILURES, engine=engine):
        return found
    return ImageBuildError(
        f"cannot load the image {one_line(tag)}: {one_line(text)}", engine=engine
    )


def follow_load(answers: Iterable[Mapping[str, Any]], *, tag: str, engine: str) -> None:
    """Read the answers to their end.

    Raises:
        EngineError: one of them says that the image was not loaded.
    """
    for answer in answers:
        if error := answer.get("error"):
            raise load_error(str(error), tag=tag, engine=engine)


def loaded_id(image: LocalImage | None, *, tag: str, engine: str) -> str:
    """Return the ID of the *image* that was loaded.

    Raises:
        ImageBuildError: *image* is None: the archive has none of this name.
    """
    if image is None:
        raise load_error(NO_SUCH_IMAGE, tag=tag, engine=engine)
    return image.id
