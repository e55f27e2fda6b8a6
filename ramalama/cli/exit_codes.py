"""The exit codes of the commands.

    0    success
    1    a request failed, an answer has no text, or the model has the wrong byte order
    2    wrong usage, or no such model file
    5    the model cannot be read, or the output cannot be written
    22   an invalid value: reference, model file, setting, file for a chat, missing device, image
         without the server; or the registry does not have the model or refuses access to it
    38   the engine cannot do what was asked
    110  the server did not become ready in time
    124  --keepalive ended the command
    125  the engine does not run, rejects the request, or has no such image
    130  Ctrl-C; 128 + n after another signal n
    141  the reader of the output has closed the pipe

If the server exits by itself, its exit code is passed on. The class of an error defines its code:
`exit_code` in `ramalama.errors`, `ramalama_chat.errors`, `ramalama_engines.errors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ramalama_values.errors import RamalamaError

FAILED = 1
USAGE = 2
IO_FAILED = 5
INVALID = 22
INTERRUPTED = 130
BROKEN_PIPE = 141


def exit_code(error: RamalamaError) -> int:
    """Return the exit code for *error*; a server that ended with success failed us nevertheless."""
    return error.exit_code or FAILED
