"""Reuse model files from the directories of other programs instead of downloading them.

Nothing is written to these directories. They are:

    Hugging Face          HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub; llama.cpp uses it,
                          too, but may be set to another one: LLAMA_CACHE
    Ollama                OLLAMA_MODELS, ~/.ollama/models; the service's: /usr/share/ollama
    Docker Model Runner   MODELS_PATH, ~/.docker/models
    LM Studio             ~/.lmstudio/models, ~/.cache/lm-studio/models
    ModelScope            MODELSCOPE_CACHE, ~/.cache/modelscope
    llama.cpp, older      LLAMA_CACHE, ~/.cache/llama.cpp
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.caches.adopt import adopt
from ramalama.models.store.caches.base import BlobCache, HuggingFaceCache, NamedCache

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ramalama.models.formats.model_files import Digest
    from ramalama.models.store.caches.base import Cache, WantedFile
    from ramalama.models.store.cas import ContentStore


@dataclass(frozen=True, slots=True)
class Reused:
    """A content that was taken from *cache*."""

    digest: Digest
    cache: str


def known_caches(
    env: Mapping[str, str], home: Path, *, root: Path = Path("/")
) -> tuple[Cache, ...]:
    """Return the caches of all known programs, whether they exist or not."""
    user = _Places(env, home)
    cache = user.named("XDG_CACHE_HOME") or home / ".cache"
    llama = user.all("LLAMA_CACHE", cache / "llama.cpp")
    hub = user.named("HF_HUB_CACHE") or ((user.named("HF_HOME") or cache / "huggingface") / "hub")
    ollama = user.all(
        "OLLAMA_MODELS", home / ".ollama/models", root / "usr/share/ollama/.ollama/models"
    )
    docker = user.all("MODELS_PATH", home / ".docker/models")
    modelscope = user.all("MODELSCOPE_CACHE", cache / "modelscope")
    return (
        HuggingFaceCache(directories=(hub, *llama)),
        BlobCache(name="Ollama", directories=_below(ollama, "blobs"), prefix="sha256-"),
        BlobCache(name="Docker Model Runner", directories=_below(docker, "blobs/sha256")),
        NamedCache(
            name="LM Studio",
            scheme=Scheme.HUGGINGFACE,
            directories=(home / ".lmstudio/models", home / ".cache/lm-studio/models"),
            shapes=("{org}/{repo}/{file}",),
        ),
        NamedCache(
            name="ModelScope",
            scheme=Scheme.MODELSCOPE,
            directories=modelscope,
            shapes=(
                "models/{org}--{repo}/snapshots/*/{file}",
                "models/{org}/{dotless}/{file}",
                "hub/models/{org}/{dotless}/{file}",
            ),
        ),
        NamedCache(
            name="llama.cpp",
            scheme=Scheme.HUGGINGFACE,
            directories=llama,
            shapes=("{org}_{repo}_{flat}",),
        ),
    )


def reuse(contents: ContentStore, caches: Sequence[Cache], wanted: WantedFile) -> Reused | None:
    """Take the first cached file that is what is *wanted* into the store; None if there is none.

    Every candidate is read completely, at about a gigabyte a second.

    Raises:
        OSError: the store cannot be written to.
    """
    for cache in caches:
        path = cache.find(wanted)
        digest = adopt(contents, path, expected=wanted.digest) if path is not None else None
        if digest is not None:
            return Reused(digest, cache.name)
    return None


@dataclass(frozen=True, slots=True)
class _Places:
    """The user's directories; an empty variable counts as unset."""

    env: Mapping[str, str]
    home: Path

    def named(self, variable: str) -> Path | None:
        """Return the directory that *variable* names, which may begin with ``~``; None if unset."""
        text = self.env.get(variable)
        if not text:
            return None
        return self.home / text[2:] if text.startswith("~/") else Path(text)

    def all(self, variable: str, *otherwise: Path) -> tuple[Path, ...]:
        """Return only the directory that *variable* names, or else all the default ones."""
        named = self.named(variable)
        return otherwise if named is None else (named,)


def _below(directories: Sequence[Path], name: str) -> tuple[Path, ...]:
    return tuple(directory / name for directory in directories)
