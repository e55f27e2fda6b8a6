"""Read a layer as an uncompressed tar, up to a size limit."""

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
_SKIPPABLE = b"\x2a\x4d\x18"  # of zstd, after one byte; a frame with a tool's notes may come first

# Python has a decoder since 3.14; the second module is a backport for older versions.
ZSTD_MODULES: Final = ("compression.zstd", "backports.zstd")


class LayerError(Exception):
    """A layer is damaged, or expands to an unreasonable size."""


class LayerStream:
    """The tar in a layer; close it, or use it in a with-block.

    The compression is recognized by the first bytes, not by the manifest. Reading fails beyond
    *slack* bytes plus *ratio* times the size of the layer.

    Raises:
        ModelUnsupported: it is zstd, and none of *zstd_modules* is installed.
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
        """Return at most *size* bytes; none at the end.

        Raises:
            LayerError: it cannot be decompressed, or it is too large.
        """
        try:
            content = self._file.read(size)
        except self._damage as exc:
            msg = "it is damaged"
            raise LayerError(msg) from exc
        self._left -= len(content)
        if self._left < 0:
            msg = "its uncompressed content is far too large"
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
