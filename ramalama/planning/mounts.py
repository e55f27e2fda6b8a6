"""Choose where a model's files are mounted, and what covers the volumes of the image.

Weights keep their names if these have only plain characters, because a server finds the other
parts of a split model by the name. All other files are named after their purpose. A volume that the
image declares would be a writable directory on the disk, so memory covers it. Pure functions.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ramalama.errors import OptionRefused
from ramalama.models.reference.scheme import Scheme
from ramalama.runtimes.base import MountedModel
from ramalama_engines.spec import BindMount, TmpfsMount
from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ramalama.models.store.stored_model import StoredModel
    from ramalama_engines.spec import LocalImage, Mount


MODELS = "/mnt"
"""The directory in the container below which all files of a model are."""

_MODELS = f"{MODELS}/models"
_EXTRAS = f"{MODELS}/extras"
_PLAIN_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,200}"
_DIGEST = "sha256:"


def model_files(model: StoredModel) -> tuple[MountedModel, Mapping[Path, str]]:
    """Return the model's paths in the container, and its files here with the same paths.

    A file here is absolute; one of them may be a directory.
    """
    places: dict[Path, str] = {}
    for path, place in _places(model):
        places.setdefault(
            path, place
        )  # a model may be its own draft: then it is mounted once, as weights

    def inside(path: Path) -> str:
        return places[path]

    mounted = MountedModel(
        weights=_MODELS if model.directory else inside(model.weights[0]),
        alias=_alias(model),
        projectors=tuple(map(inside, model.projectors)),
        adapters=tuple(map(inside, model.adapters)),
        draft=inside(model.draft) if model.draft else None,
        chat_template=inside(model.chat_template) if model.chat_template else None,
        template_name=model.template_name,
        parameters=model.parameters,
    )
    return mounted, places


def _places(model: StoredModel) -> Iterator[tuple[Path, str]]:
    """Yield each path on the host that must be mounted, and its path in the container."""
    if model.directory:
        yield model.directory, _MODELS
    else:
        names = _names_of_weights(tuple(path.name for path in model.weights))
        for path, name in zip(model.weights, names, strict=True):
            yield path, f"{_MODELS}/{name}"
    for number, path in enumerate(model.projectors):
        yield path, f"{_EXTRAS}/mmproj-{number}.gguf"
    for number, path in enumerate(model.adapters):
        yield path, f"{_EXTRAS}/adapter-{number}.gguf"
    if model.draft:
        # Both are of the same format: see `with_draft`.
        yield model.draft, f"{_EXTRAS}/draft{'' if model.directory else '.gguf'}"
    if model.chat_template:
        yield model.chat_template, f"{_EXTRAS}/chat_template.jinja"


def _names_of_weights(names: tuple[str, ...]) -> tuple[str, ...]:
    if all(re.fullmatch(_PLAIN_NAME, name) for name in names):
        return names
    count = len(names)
    if count == 1:
        return ("model.gguf",)
    return tuple(f"model-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1))


def _alias(model: StoredModel) -> str:
    """Return the name of the model for clients: that in its registry, or the name of its file."""
    reference = model.reference
    match reference.scheme:
        case Scheme.FILE | Scheme.HTTP | Scheme.HTTPS:
            directory = model.directory
            return (directory.name if directory else model.weights[0].stem) or "model"
        case _:
            plain = not reference.tag or reference.tag == "latest"
            tag = "" if plain or reference.tag.startswith(_DIGEST) else f":{reference.tag}"
            return reference.location.removeprefix("library/") + tag


_MOST_VOLUMES = 16
_VOLUME_SIZE = 64 << 20  # bytes
_LONGEST_PATH = 255
_KERNELS = ("/proc", "/sys", "/dev")  # the engine mounts them


def cover_volumes(image: LocalImage, name: str, mounts: Sequence[Mount]) -> Iterator[TmpfsMount]:
    """Yield a small file system in memory for each volume of *image* that *mounts* do not cover.

    Raises:
        OptionRefused: the image has too many volumes, or one has an invalid path or is inside a
            directory of the host or the kernel, where the engine would create it.
    """
    if len(image.volumes) > _MOST_VOLUMES:
        msg = f"the image {name} declares {len(image.volumes)} volumes; {_MOST_VOLUMES} are allowed"
        raise OptionRefused(msg, hint="use another image")
    covered = {mount.target for mount in mounts}
    closed = [mount.target for mount in mounts if isinstance(mount, BindMount)]
    for volume in image.volumes:
        path = _clean(volume)
        if path is None or any(path.startswith(f"{target}/") for target in closed):
            shown = printable(volume)[:_LONGEST_PATH]
            msg = f"the image {name} declares the volume '{shown}', which is not allowed"
            raise OptionRefused(msg, hint="use another image")
        if path not in covered:
            covered.add(path)
            yield TmpfsMount(target=path, size=_VOLUME_SIZE)


def _clean(path: str) -> str | None:
    """Return *path* without needless slashes and dots, as engines do; None if it is invalid."""
    clean = "/" + posixpath.normpath(path).lstrip("/")
    is_kernels = any(f"{clean}/".startswith(f"{each}/") for each in _KERNELS)
    invalid = not path.startswith("/") or clean == "/" or is_kernels or not path.isprintable()
    return None if invalid or len(path) > _LONGEST_PATH else clean
