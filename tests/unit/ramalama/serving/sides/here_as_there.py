"""The files of a remote host, which are those of this one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama_engines.errors import RemoteFileError
from ramalama_engines.route import PROTECTED, RemoteFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class HereAsThere:
    """Meets `RemoteFiles`; *uploads* has the path of each file that was sent."""

    def __init__(self) -> None:
        self.uploads: list[str] = []

    def home(self) -> str:
        return str(Path.home())

    def find(self, path: str) -> RemoteFile | None:
        place = Path(path)
        try:
            status = place.lstat()
        except FileNotFoundError:
            return None
        return RemoteFile(
            size=status.st_size,
            modified=status.st_mtime,
            uid=status.st_uid,
            gid=status.st_gid,
            mode=status.st_mode & 0o7777,
            is_directory=place.is_dir() and not place.is_symlink(),
            is_link=place.is_symlink(),
        )

    def find_all(self, paths: Sequence[str]) -> Sequence[RemoteFile | None]:
        return [self.find(path) for path in paths]

    def listing(self, directory: str) -> Mapping[str, RemoteFile]:
        try:
            names = [path.name for path in Path(directory).iterdir()]
        except FileNotFoundError as exc:
            raise RemoteFileError(directory, missing=True) from exc
        found = {name: self.find(f"{directory}/{name}") for name in names}
        return {name: file for name, file in found.items() if file is not None}

    def read(self, path: str, *, most: int) -> bytes:
        try:
            return Path(path).read_bytes()[:most]
        except FileNotFoundError as exc:
            raise RemoteFileError(path, missing=True) from exc

    def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)

    def upload(
        self, source: Path, path: str, *, on_progress: Callable[[int], None] | None = None
    ) -> None:
        self.uploads.append(path)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(source.read_bytes())
        if on_progress is not None:
            on_progress(source.stat().st_size)

    def make_directory(self, path: str, *, mode: int = 0o700) -> None:
        Path(path).mkdir(mode=mode, parents=True, exist_ok=True)

    def rename(self, path: str, target: str) -> None:
        Path(path).replace(target)

    def protect(self, path: str) -> None:
        Path(path).chmod(PROTECTED)

    def touch(self, path: str) -> None:
        Path(path).touch()

    def remove(self, path: str) -> None:
        place = Path(path)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)

    def free_space(self, path: str) -> int | None:
        del path
        return None
