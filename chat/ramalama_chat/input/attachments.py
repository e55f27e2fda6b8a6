"""Files that are sent with a prompt: pictures as data URLs, all other files as text."""

import os
import re
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from ramalama_chat.errors import InputRefused
from ramalama_chat.input.regular_file import open_regular

MOST_BYTES = 16 * 1024 * 1024
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
)
_WEBP = (b"RIFF", b"WEBP")


@dataclass(frozen=True, slots=True)
class Attachments:
    """What is sent with the next prompt: *texts* stand before it, *images* are data URLs."""

    texts: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    def with_prompt(self, prompt: str) -> str:
        """Return *prompt* with the texts before it."""
        return "\n\n".join((*self.texts, prompt))


def read_image(path: Path) -> str:
    """Return the picture at *path* as a data URL (RFC 2397).

    Raises:
        InputRefused: there is no such file, it is too large, or no server reads its format.

    """
    content = read_bounded(path)
    kind = next((kind for mark, kind in _SIGNATURES if content.startswith(mark)), None)
    if content[:4] == _WEBP[0] and content[8:12] == _WEBP[1]:
        kind = "webp"
    if kind is None:
        msg = f"{str(path)!r} is not a picture of a known format: PNG, JPEG, GIF, WebP or BMP"
        raise InputRefused(msg)
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def read_text(path: Path) -> str:
    """Return the file at *path* as text for a model: its name, and its content in a code block.

    Raises:
        InputRefused: there is no such file, it is too large, or it is not UTF-8 text.

    """
    content = read_bounded(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        msg = f"{str(path)!r} is not UTF-8 text"
        raise InputRefused(msg)
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)  # longer than any fence in the file
    return f"File {path.name}:\n{fence}\n{text.rstrip()}\n{fence}"


def read_bounded(path: Path, *, limit: int = MOST_BYTES) -> bytes:
    """Return the content of a regular file of at most *limit* bytes.

    Raises:
        InputRefused: there is no such file, it is not a regular file, or it is larger.

    """
    try:
        with open_regular(path, os.O_RDONLY) as file:
            content = file.read(limit + 1)
    except OSError as exc:
        msg = f"{str(path)!r} cannot be read: {exc.strerror}"
        raise InputRefused(msg) from exc
    except ValueError as exc:  # a NUL in the name
        msg = f"{str(path)!r} is not a file name"
        raise InputRefused(msg) from exc
    if len(content) > limit:
        msg = f"{str(path)!r} is larger than {limit:,} bytes"
        raise InputRefused(msg)
    return content
