"""The images of the engine in memory: how they are built and listed."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from typing import TYPE_CHECKING

from ramalama_engines.errors import ImageBuildError
from ramalama_engines.fake.container import FakeFile
from ramalama_engines.image_reference import ImageReference
from ramalama_engines.image_summary import ImageSummary
from ramalama_engines.rest.archive import ChunkReader
from ramalama_engines.rest.load import NO_SUCH_IMAGE, load_error
from ramalama_engines.spec import LocalImage
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
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


@frozen(kw_only=False)
class FakeImage:
    """An image that was loaded, with the files of its layers, by their paths."""

    image: LocalImage
    files: Mapping[str, FakeFile]


def load_image(archive: Iterable[bytes], *, tag: str, engine: str) -> FakeImage:
    """Read the image *tag* from an archive as ``docker save`` writes it.

    Raises:
        ImageBuildError: it is no such archive, or has no such image.
    """
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=ChunkReader(archive, sys.maxsize), mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member)
                members[member.name] = content.read() if content else b""
        entries = json.loads(members["manifest.json"])
        entry = next((each for each in entries if tag in each["RepoTags"]), None)
        if entry is None:
            raise load_error(NO_SUCH_IMAGE, tag=tag, engine=engine)
        config = members[entry["Config"]]
        labels: dict[str, str] = json.loads(config).get("config", {}).get("Labels") or {}
        files = _files([members[layer] for layer in entry["Layers"]])
    except (tarfile.TarError, LookupError, TypeError, ValueError) as exc:
        raise load_error(str(exc), tag=tag, engine=engine) from exc
    image_id = f"sha256:{hashlib.sha256(config).hexdigest()}"
    return FakeImage(LocalImage(id=image_id, labels=labels), files)


def _files(layers: Sequence[bytes]) -> Mapping[str, FakeFile]:
    files: dict[str, FakeFile] = {}
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                files[f"/{member.name}"] = FakeFile(
                    content=bytearray(content.read() if content else b""),
                    mode=member.mode,
                    is_directory=member.isdir(),
                    is_special=not (member.isdir() or member.isreg()),
                )
    return files


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
