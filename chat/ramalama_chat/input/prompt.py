"""The prompt of a one-shot call: from the arguments, from what is piped in, or from both."""

import os
import re
import stat
from collections.abc import Sequence
from typing import TextIO

from ramalama_chat.errors import PromptTooLarge

# Far more than any model's context, far less than memory: a tarball sent by mistake is refused.
MAX_PIPED_BYTES = 16 * 1024 * 1024

_CHUNK = 64 * 1024
_NO_TEXT = "[\0\ud800-\udfff]"


def read_prompt(arguments: Sequence[str], stdin: TextIO | None) -> str | None:
    """Join *arguments* by spaces and, after an empty line, add what *stdin* holds.

    None if neither says anything: the caller then opens the prompt loop. None for *stdin* is a
    closed one.

    Raises:
        PromptTooLarge: more than MAX_PIPED_BYTES wait on *stdin*.

    """
    piped = read_piped(stdin.fileno()) if stdin is not None and is_piped(stdin.fileno()) else ""
    asked = _sendable(" ".join(arguments))
    return "\n\n".join(part for part in (asked, piped) if part.strip()) or None


def is_piped(descriptor: int) -> bool:
    """Tell whether *descriptor* carries data for us: a pipe, a file or a socket.

    A terminal is for the prompt loop; /dev/null and the other devices have nothing to say, and
    some of them no end.
    """
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:  # closed by whoever started us
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def read_piped(descriptor: int, *, limit: int = MAX_PIPED_BYTES) -> str:
    """Read *descriptor* to its end, without the newlines there, as `$(...)` has it.

    Not through a file object: a thread that waits in one has its lock, and the interpreter, should
    it end meanwhile, wants that lock and aborts.

    Raises:
        PromptTooLarge: it holds more than *limit* bytes.

    """
    content = bytearray()
    while chunk := os.read(descriptor, _CHUNK):
        content += chunk
        if len(content) > limit:
            msg = f"standard input holds more than {limit:,} bytes, too much for a prompt"
            raise PromptTooLarge(msg)
    return _sendable(content.decode("utf-8", "replace")).rstrip("\r\n")


def _sendable(text: str) -> str:
    """Replace what is no text: NULs, and the surrogates that stand for an argument's odd bytes."""
    return re.sub(_NO_TEXT, "\ufffd", text)
