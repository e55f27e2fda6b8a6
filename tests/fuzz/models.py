"""What any model has to be that a stranger's words have led to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.models.store.open import describe_model

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ramalama.errors import ModelError
    from ramalama.models.transports.base import RemoteModel

_LARGEST = 2**50  # bytes
_LONGEST_NAME = 1024
_LONGEST_SEGMENT = 255
_LONGEST_MESSAGE = 6000  # characters; two dozen variants with long names
_MOST_FILES = 50_000


def check_model(model: RemoteModel, *, secret: str) -> None:
    """Make sure that all of it can be fetched, and put into a directory and nowhere else."""
    check_names([file.name for file in model.files])
    blobs = [file.blob for file in model.files] + [archive.blob for archive in model.archives]
    assert len(blobs) <= _MOST_FILES
    for blob in blobs:
        assert blob.size is None or 0 <= blob.size <= _LARGEST
        assert secret not in blob.identity
        assert secret not in repr(blob)
    assert all(variant.size >= 0 for variant in model.variants)
    assert model.weights_size >= 0
    describe_model(model.reference, {Path(file.name): file.kind for file in model.files}, Path())
    assert all(file.checked_blob.identity == file.blob.identity for file in model.files)


def check_names(names: Iterable[str]) -> None:
    """Make sure that files of these names can lie in one directory, and in no other."""
    seen = set[str]()
    for name in names:
        segments = name.split("/")
        assert name.isprintable()
        assert "\\" not in name
        assert not {"", ".", ".."}.intersection(segments)
        assert max(len(segment.encode()) for segment in segments) <= _LONGEST_SEGMENT
        assert len(name.encode()) <= _LONGEST_NAME
        assert name.lower() not in seen
        seen.add(name.lower())


def check_refusal(error: ModelError, *, secret: str) -> None:
    """Make sure that a user can read why a model is refused, and nobody more than that."""
    message = str(error)
    assert message
    assert "\n" not in message
    assert len(message) <= _LONGEST_MESSAGE
    assert secret not in message
    assert "int_max_str_digits" not in message
