"""Where errors end: one line on stderr, and an exit code."""

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
    """Run *command*; what it raises on purpose becomes a message and an exit code.

    Anything else is a bug, and shows its traceback.
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
        # The engine's and the server's have become errors of ours: this is our output or run_dir.
        if debug:
            _show_traceback()
        _silence_stdout()
        print_error(f"Error: {_os_message(exc)}")
        return IO_FAILED


def _message(exc: Exception) -> str:
    """Keep an error on its line, whatever file name is in it."""
    # Only the list of engines that were tried has lines of its own.
    return str(exc) if isinstance(exc, EngineFailure) else str(exc).replace("\n", "\\n")


def _os_message(exc: OSError) -> str:
    """Say what failed and why, and then what the command notes to follow from that."""
    what = f"{exc.filename or 'standard output'}: {exc.strerror or exc}"
    return "; ".join((what, *getattr(exc, "__notes__", ())))


def _prepare_streams() -> None:
    """Stand nothing in for what our caller has closed (``>&-``); Python has None there.

    And what a locale cannot read or write is no reason to break off a talk.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 (for good)
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            cast("io.TextIOWrapper", stream).reconfigure(errors="replace")


def _flushed(command: Callable[[], int]) -> int:
    """Run *command* and write out what it printed, while an error in that can still be handled."""
    try:
        code = command()
    except SystemExit:  # how argparse leaves after --help
        sys.stdout.flush()
        raise
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
