"""What the doubles of hubs have: repositories, their commits, and who may see them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Of somebody who may see everything, and of somebody who may see what is public; llama.cpp takes
# no shorter ones.
MEMBER = "hf_" + "member".ljust(34, "0")
STRANGER = "hf_" + "stranger".ljust(34, "0")

_LARGE = (".gguf", ".safetensors", ".bin", ".tokenizer")


class Visibility(Enum):
    """Who may fetch the files of a repository."""

    PUBLIC = auto()
    GATED = auto()
    """Everybody sees what there is, members may have it."""
    PRIVATE = auto()


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file in a commit; large ones are kept outside of Git, by their SHA-256."""

    path: str
    content: bytes = field(repr=False)

    @property
    def is_large(self) -> bool:
        """Whether Git has a pointer only."""
        return self.path.endswith(_LARGE)

    @property
    def sha256(self) -> str:
        """Of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def pointer(self) -> bytes:
        """What Git has of a large file; git-lfs, docs/spec.md."""
        lines = (
            "version https://git-lfs.github.com/spec/v1",
            f"oid sha256:{self.sha256}",
            f"size {len(self.content)}",
        )
        return "".join(f"{line}\n" for line in lines).encode()

    @property
    def oid(self) -> str:
        """Git's name of what it has."""
        return git_oid(b"blob", self.pointer if self.is_large else self.content)


@dataclass(slots=True, kw_only=True)
class Repository:
    """A repository, whose last commit is what its branch points to."""

    name: str
    visibility: Visibility = Visibility.PUBLIC
    commits: dict[str, dict[str, HubFile]] = field(default_factory=dict[str, dict[str, HubFile]])

    def push(self, files: Mapping[str, bytes]) -> str:
        """Make a commit with *files* and return its name."""
        content = {path: HubFile(path, data) for path, data in sorted(files.items())}
        listing = "\n".join(f"{file.oid} {path}" for path, file in content.items())
        commit = git_oid(b"commit", f"{len(self.commits)}\n{listing}".encode())
        self.commits[commit] = content
        return commit

    @property
    def head(self) -> str:
        """The last commit."""
        return [*self.commits][-1]

    @property
    def files(self) -> dict[str, HubFile]:
        """Of the last commit."""
        return self.commits[self.head]

    def is_open_to(self, token: str | None) -> bool:
        """Tell whether whoever has *token* may fetch files."""
        return self.visibility is Visibility.PUBLIC or token == MEMBER

    def is_visible_to(self, token: str | None) -> bool:
        """Tell whether whoever has *token* may know of it."""
        return self.visibility is not Visibility.PRIVATE or token == MEMBER


def directories(files: Mapping[str, HubFile]) -> Iterator[str]:
    """Yield the directories that *files* are in, outer ones first."""
    seen: set[str] = set()
    for path in files:
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            directory = "/".join(parts[:depth])
            if directory not in seen:
                seen.add(directory)
                yield directory


def git_oid(kind: bytes, content: bytes) -> str:
    """Name an object as Git does."""
    header = b"%s %d\0" % (kind, len(content))
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
