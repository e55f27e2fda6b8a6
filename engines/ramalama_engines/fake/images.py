"""The images of the engine in memory: how they are built and listed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ramalama_engines.errors import ImageBuildError
from ramalama_engines.image_reference import ImageReference
from ramalama_engines.image_summary import ImageSummary
from ramalama_engines.spec import LocalImage
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@frozen()
class FakeBuild:
    """A build that was requested."""

    context: Path
    tag: str
    containerfile: str
    build_args: Mapping[str, str]

    def steps(self, engine: str) -> Sequence[str]:
        """Return the lines of the Containerfile that are not comments.

        Raises:
            ImageBuildError: the file cannot be read, or the tag is not a reference.
        """
        try:
            ImageReference.parse(self.tag)
            text = (self.context / self.containerfile).read_text(encoding="utf-8")
        except (OSError, ValueError) as exc:
            msg = f"cannot build {self.tag}: {exc}"
            raise ImageBuildError(msg, engine=engine) from exc
        lines = map(str.strip, text.splitlines())
        return tuple(line for line in lines if line and not line.startswith("#"))


def build_anything(build: FakeBuild) -> LocalImage:
    """Make an image whose ID depends only on its tag."""
    return LocalImage(id=f"sha256:{hashlib.sha256(build.tag.encode()).hexdigest()}")


def summaries(images: Mapping[str, LocalImage]) -> Sequence[ImageSummary]:
    """Return each of *images* once, with all its names."""
    ids = dict.fromkeys(image.id for image in images.values())
    return tuple(
        ImageSummary(
            id=image_id,
            names=tuple(name for name, image in images.items() if image.id == image_id),
        )
        for image_id in ids
    )
