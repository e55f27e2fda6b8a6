"""Open a user's own models in place: GGUF files, and directories of safetensors."""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import ModelNotFound, ModelUnreadable, ModelUnsupported
from ramalama.models.formats.generation_config import read_generation_config
from ramalama.models.formats.gguf import check_header
from ramalama.models.store.stored_model import StoredModel

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama.models.reference.reference import ModelRef

_PART = r"(?s)(?P<stem>.*)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf"
_MOST_PARTS = 999
_CONFIGURATION = "config.json"


def open_local(reference: ModelRef) -> StoredModel:
    """Find the file or directory that *reference* names, and all parts of a split model.

    Raises:
        ModelNotFound: it, or a part of it, does not exist.
        ModelUnreadable: the server would not have permission to read it.
        ModelUnsupported: it is not a model.
    """
    path = Path(reference.location)
    _check_name(reference.location)
    with _reading(path):
        is_directory = path.is_dir()
    if is_directory:
        return _open_directory(reference, path)
    parts = _parts(path)
    for part in parts:
        with _reading(part):
            _check(part)
    return StoredModel(reference=reference, weights=parts)


def _open_directory(reference: ModelRef, directory: Path) -> StoredModel:
    with _reading(directory):
        files = sorted(directory.iterdir())
    weights = tuple(path for path in files if path.suffix == ".safetensors")
    if not weights or directory / _CONFIGURATION not in files:
        msg = f"{directory} is a directory"
        hint = (
            f"name the .gguf file in it, or a directory with {_CONFIGURATION} and safetensors files"
        )
        raise ModelUnsupported(msg, hint=hint)
    for path in (directory, *files):
        _check_link(path, directory)
        with _reading(path):
            _check_readable_without_privilege(path, path.stat())
    return StoredModel(
        reference=reference,
        weights=weights,
        directory=directory,
        parameters=read_generation_config(directory),
    )


def _parts(path: Path) -> tuple[Path, ...]:
    match = re.fullmatch(_PART, path.name)
    if match is None:
        return (path,)
    count = int(match["count"])
    if not 1 <= count <= _MOST_PARTS:
        msg = f"{path} says that it is part of {count} files"
        raise ModelUnsupported(msg)
    return tuple(
        path.with_name(f"{match['stem']}-{number:05}-of-{count:05}.gguf")
        for number in range(1, count + 1)
    )


def _check_name(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError as exc:
        msg = f"the name of {path!r} is not UTF-8, which engines require; rename it or link to it"
        raise ModelUnreadable(msg) from exc


def _check_link(path: Path, directory: Path) -> None:
    if not path.resolve().is_relative_to(directory.resolve()):
        msg = (
            f"{path} links to a file outside the directory, which a container cannot see; "
            "copy the model with `cp --recursive --dereference`, or use its reference"
        )
        raise ModelUnsupported(msg)


def _check(path: Path) -> None:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        msg = f"{path} is not a regular file"
        raise ModelUnsupported(msg)
    check_header(path)
    _check_readable_without_privilege(path, status)


@contextmanager
def _reading(path: Path) -> Generator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as exc:
        msg = f"no such model file: {path}"
        raise ModelNotFound(msg) from exc
    except PermissionError as exc:
        msg = f"{path} cannot be read by this user; change its permissions"
        raise ModelUnreadable(msg) from exc
    except OSError as exc:
        msg = f"{path} cannot be read: {exc.strerror}"
        raise ModelUnreadable(msg) from exc


def _check_readable_without_privilege(path: Path, status: os.stat_result) -> None:
    """Reject what only root's privileges can open: the server has none (capabilities(7))."""
    if os.geteuid() != 0:
        return
    if status.st_uid == 0:
        readable = status.st_mode & stat.S_IRUSR
    elif status.st_gid == os.getegid():
        readable = status.st_mode & stat.S_IRGRP
    else:
        readable = status.st_mode & stat.S_IROTH
    if not readable:
        msg = (
            f"{path} can only be read with root's privileges, and the server in the container "
            "has none of them; make it readable with chmod a+r"
        )
        raise ModelUnreadable(msg)
