"""Read the prompt of a one-shot call from the arguments, from standard input, or from both."""

import os
import re
import stat
from collections.abc import Sequence
from typing import TextIO

from ramalama_chat.errors import PromptTooLarge

# Far more than any model's context holds, and far less than memory: it rejects a tarball, say.
MAX_PIPED_BYTES = 16 * 1024 * 1024

_CHUNK = 64 * 1024
_NO_TEXT = "[\0\ud800-\udfff]"


def read_prompt(arguments: Sequence[str], stdin: TextIO | None) -> str | None:
    """Join *arguments* with spaces and, after an empty line, add the content of *stdin*.

    Return None if both are empty: the caller then opens the prompt loop. *stdin* is None if
    standard input is closed.

    Raises:
        PromptTooLarge: *stdin* holds more than MAX_PIPED_BYTES.

    """
    piped = read_piped(stdin.fileno()) if stdin is not None and is_piped(stdin.fileno()) else ""
    asked = _sendable(" ".join(arguments))
    return "\n\n".join(part for part in (asked, piped) if part.strip()) or None


def is_piped(descriptor: int) -> bool:
    """Return whether *descriptor* can carry a prompt: it is a pipe, a file or a socket.

    A terminal is for the prompt loop. /dev/null and other devices hold no prompt, and some never
    end.
    """
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:  # closed by the process that started this one
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def read_piped(descriptor: int, *, limit: int = MAX_PIPED_BYTES) -> str:
    """Read *descriptor* to its end, without the newlines at the end, as `$(...)` does.

    It does not use a file object: a thread that reads from one holds its lock, and if the
    interpreter exits meanwhile, it needs that lock and aborts.

    Raises:
        PromptTooLarge: *descriptor* holds more than *limit* bytes.

    """
    content = bytearray()
    while chunk := os.read(descriptor, _CHUNK):
        content += chunk
        if len(content) > limit:
            msg = f"standard input holds more than {limit:,} bytes, too much for a prompt"
            raise PromptTooLarge(msg)
    return _sendable(content.decode("utf-8", "replace")).rstrip("\r\n")


def _sendable(text: str) -> str:
    """Replace NULs, and the surrogates that stand for invalid bytes of an argument."""
    return re.sub(_NO_TEXT, "\ufffd", text)
