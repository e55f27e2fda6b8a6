"""What a script learns from how we end.

    0    success
    1    a request failed, or the model has the wrong byte order
    2    wrong usage, or no such model file
    5    the model cannot be read, or the output not be written
    22   a value that makes no sense: reference, model file, setting, a file for a chat, a device
         that is not there, an image without the server; a model that its registry does not have
         or give
    38   the engine cannot do what was asked
    110  the server did not become ready in time
    124  --keepalive ended the command
    125  the engine is not there, refuses, or has no such image
    130  Ctrl-C; 128 + n after another signal n
    141  whoever read our output has gone

A server that ends by itself passes its own exit code on. Which error has which code is said by the
error's class: `exit_code` in `ramalama.errors`, `ramalama_chat.errors`, `ramalama_engines.errors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ramalama_values.errors import ExplainedError

FAILED = 1
USAGE = 2
IO_FAILED = 5
INVALID = 22
INTERRUPTED = 130
BROKEN_PIPE = 141


def exit_code(error: ExplainedError) -> int:
    """Return the exit code for *error*; a server that ended with success failed us nevertheless."""
    return error.exit_code or FAILED
