"""Read a layer as the tar that it is, whatever it is compressed with, up to a bound."""

from __future__ import annotations

import gzip
import zlib
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO, Final, Self, cast

from ramalama.errors import ModelUnsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"  # of zstd, after one byte; may come first, with notes of the tool's

# Python has a decoder since 3.14; the second is the same one for older versions, from PyPI.
ZSTD_MODULES: Final = ("compression.zstd", "backports.zstd")


class LayerError(Exception):
    """A layer is damaged, or a bomb."""


class LayerStream:
    """The tar in a layer; to be closed, which leaving a with-block does.

    Going by the first bytes, not by what a manifest calls it. Of a tar that is longer than *slack*
    bytes and *ratio* times the layer, the rest is not to be had.

    Raises:
        ModelUnsupported: it is zstd, and none of *zstd_modules* is there.
        OSError: it cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        slack: int,
        ratio: int,
        zstd_modules: Sequence[str] = ZSTD_MODULES,
    ) -> None:
        self._left = slack + ratio * path.stat().st_size
        self._damage: tuple[type[Exception], ...] = (EOFError, zlib.error, gzip.BadGzipFile)
        with path.open("rb") as file:
            head = file.read(len(_ZSTD))
        if head.startswith(_GZIP):
            self._file = cast("BinaryIO", gzip.open(path))  # noqa: SIM115 (`__exit__` closes it)
        elif head == _ZSTD or head[1:] == _SKIPPABLE:
            opener, error = _zstd(zstd_modules)
            self._file = opener(path)
            self._damage += (error,)
        else:
            self._file = path.open("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_args: object) -> None:
        self._file.close()

    def read(self, size: int) -> bytes:
        """Return at most *size* bytes, none at the end.

        Raises:
            LayerError: it cannot be decompressed, or there is too much.
        """
        try:
            content = self._file.read(size)
        except self._damage as exc:
            msg = "it is damaged"
            raise LayerError(msg) from exc
        self._left -= len(content)
        if self._left < 0:
            msg = "it is far larger than it seemed"
            raise LayerError(msg)
        return content


def _zstd(modules: Sequence[str]) -> tuple[Callable[[Path], BinaryIO], type[Exception]]:
    for name in modules:
        try:
            module = import_module(name)
        except ImportError:
            continue
        return (
            cast("Callable[[Path], BinaryIO]", module.open),
            cast("type[Exception]", module.ZstdError),
        )
    msg = (
        "a layer of the model is compressed with zstd, which Python can read from 3.14 on; "
        "for older versions install the package backports.zstd"
    )
    raise ModelUnsupported(msg)
