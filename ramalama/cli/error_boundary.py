"""Turn the errors of a command into one line on stderr and an exit code."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from ramalama.cli.early_interrupt import ctrl_c_raises
from ramalama.cli.exit_codes import BROKEN_PIPE, INTERRUPTED, IO_FAILED, exit_code
from ramalama.cli.output.terminal import print_error, quote_log
from ramalama.errors import EngineFailure, RamalamaError, ServerExited, ServerNotReady
from ramalama_chat.errors import ChatError

if TYPE_CHECKING:
    from collections.abc import Callable


def run_guarded(command: Callable[[], int], *, debug: bool) -> int:
    """Run *command* and return its exit code; an expected error becomes a message and a code.

    Any other exception is a bug and passes through, so that its traceback is shown.
    """
    _prepare_streams()
    if debug:
        _log_to_stderr()
    try:
        with ctrl_c_raises():
            return _flushed(command)
    except (RamalamaError, ChatError) as exc:
        if debug:
            _show_traceback()
        print_error(f"Error: {_message(exc)}")
        if isinstance(exc, ServerExited | ServerNotReady):
            quote_log(exc.log_tail)
        return exit_code(exc)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError as exc:
        _silence_stdout()
        if hasattr(exc, "__notes__"):
            print_error(f"Error: {_os_message(exc)}")
        return BROKEN_PIPE
    except OSError as exc:
        # Errors of the engine and the server have their own classes: this one is of the output or
        # the run directory.
        if debug:
            _show_traceback()
        _silence_stdout()
        print_error(f"Error: {_os_message(exc)}")
        return IO_FAILED


def _message(exc: Exception) -> str:
    """Return the message of *exc* on one line: a file name in it may contain a newline."""
    # Only an EngineFailure has several lines: the list of the engines that were tried.
    return str(exc) if isinstance(exc, EngineFailure) else str(exc).replace("\n", "\\n")


def _os_message(exc: OSError) -> str:
    """Return what failed and why, and then the notes that the command added."""
    what = f"{exc.filename or 'standard output'}: {exc.strerror or exc}"
    return "; ".join((what, *getattr(exc, "__notes__", ())))


def _prepare_streams() -> None:
    """Open the null device for each standard stream that the parent process has closed (``>&-``).

    Python sets such a stream to None. Characters that the locale cannot encode or decode are
    replaced, so that they do not end a conversation.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 (stays open)
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            cast("io.TextIOWrapper", stream).reconfigure(errors="replace")


def _flushed(command: Callable[[], int]) -> int:
    """Run *command* and flush stdout, so that an error of the flush can still be handled."""
    try:
        code = command()
    except SystemExit:  # argparse exits this way after --help
        sys.stdout.flush()
        raise
    sys.stdout.flush()
    return code


def _silence_stdout() -> None:
    """Redirect stdout to the null device, so that the flush at exit does not fail again."""
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
