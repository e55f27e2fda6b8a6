"""Where errors end: one line on stderr, and an exit code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from ramalama.cli.exit_codes import BROKEN_PIPE, INTERRUPTED, exit_code
from ramalama.cli.output import complain, quote_log
from ramalama.errors import RamalamaError, ServerExited, ServerNotReady
from ramalama_chat.errors import ChatError

if TYPE_CHECKING:
    from collections.abc import Callable


def guarded(command: Callable[[], int], *, debug: bool) -> int:
    """Run *command*; what it raises on purpose becomes a message and an exit code.

    Anything else is a bug, and shows its traceback.
    """
    if debug:
        _log_to_stderr()
    try:
        return _flushed(command())
    except (RamalamaError, ChatError) as exc:
        if debug:
            _show_traceback()
        complain(f"Error: {exc}")
        if isinstance(exc, ServerExited | ServerNotReady):
            quote_log(exc.log_tail)
        return exit_code(exc)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return BROKEN_PIPE


def _flushed(code: int) -> int:
    sys.stdout.flush()
    return code


def _silence_stdout() -> None:
    """Let the interpreter's last flush go nowhere instead of failing once more."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_traceback() -> None:
    import traceback  # noqa: PLC0415 (only with --debug)

    traceback.print_exc()


def _log_to_stderr() -> None:
    import logging  # noqa: PLC0415 (only with --debug)

    logging.basicConfig(
        level=logging.DEBUG,
        stream=sys.stderr,
        format="%(relativeCreated)6d ms %(name)s: %(message)s",
    )
