"""A mirror of Hugging Face that somebody else wrote: olah, with repositories of our own."""

from __future__ import annotations

import hashlib
import json
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import httpx2

from tests.lab.registry import free_port
from tests.lab.service import program, running

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from tests.lab.pypi import Installation

_POINTER: Final = "version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n"
_SETTINGS: Final = """\
[basic]
host = "127.0.0.1"
port = {port}
mirror-netloc = "127.0.0.1:{port}"
hf-scheme = "http"
hf-netloc = "127.0.0.1:9"
repos-path = {cache}
mirrors-path = [{repositories}]
[accessibility]
offline = true
"""


def commit_repository(
    mirror: Path, name: str, files: Mapping[str, bytes], *, large: frozenset[str]
) -> str:
    """Make the repository *name* below *mirror*, the *large* files outside of Git's own storage.

    Returns the commit.
    """
    directory = mirror / "models" / name
    _git("init", "--quiet", "--initial-branch=main", str(directory))
    for path, content in files.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_store_large(directory, content) if path in large else content)
    _git("-C", str(directory), "add", "--all")
    author = ("-c", "user.name=Lab", "-c", "user.email=lab@example.com")
    _git("-C", str(directory), *author, "commit", "--quiet", "--message=Publish")
    return _git("-C", str(directory), "rev-parse", "HEAD").strip()


@contextmanager
def serve_olah(olah: Installation, directory: Path, mirror: Path) -> Generator[str]:
    """Serve the repositories below *mirror*, and lend the mirror's address."""
    directory.mkdir()
    port = free_port()
    settings = directory / "olah.toml"
    cache, repositories = json.dumps(str(directory / "cache")), json.dumps(str(mirror))
    settings.write_text(_SETTINGS.format(port=port, cache=cache, repositories=repositories))
    url = f"http://127.0.0.1:{port}"
    with running(
        # It keeps a log in the directory that it is started in, whatever its settings say.
        (program("env"), "--chdir", str(directory), olah.program("olah-cli"), "-c", str(settings)),
        log=directory / "log",
        ready=lambda: _answers(url),
        env={"HOME": str(directory), "PATH": "/usr/bin:/bin"},
    ):
        yield url


def _answers(url: str) -> bool:
    try:
        httpx2.get(url, trust_env=False)
    except httpx2.TransportError:
        return False
    return True


def _store_large(repository: Path, content: bytes) -> bytes:
    """Put *content* where git-lfs keeps it, and return what Git has instead."""
    digest = hashlib.sha256(content).hexdigest()
    place = repository / ".git/lfs/objects" / digest[:2] / digest[2:4] / digest
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    return _POINTER.format(digest=digest, size=len(content)).encode()


def _git(*arguments: str) -> str:
    command = [program("git"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
