"""Turn the errors of a command into one line on stderr and an exit code.

An error of the clean-up is only a warning: the outcome of the command counts.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from ramalama.cli import CtrlCRaises
from ramalama.cli.exit_codes import BROKEN_PIPE, INTERRUPTED, IO_FAILED, exit_code
from ramalama.cli.output.terminal import print_error, quote_log
from ramalama.errors import EngineFailure, RamalamaError, ServerExited, ServerNotReady

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from _typeshed import ReadableBuffer

    from ramalama.cli.signals import Signals
    from ramalama.serving.server import ModelServer


def run_guarded(command: Callable[[], int], *, debug: bool) -> int:
    """Run *command* and return its exit code; an expected error becomes a message and a code.

    Any other exception is a bug and passes through, so that its traceback is shown.
    """
    _prepare_streams()
    if debug:
        _log_to_stderr()
    try:
        with CtrlCRaises():
            return _flushed(command)
    except RamalamaError as exc:
        if debug:
            _show_traceback()
        print_error(f"Error: {_message(exc)}")
        if isinstance(exc, ServerExited | ServerNotReady):
            quote_log(exc.log_tail)
        return exit_code(exc)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as exc:
        # Errors of the engine and the server have their own classes: this one is of the output or
        # the run directory.
        if debug:
            _show_traceback()
        return report_os_error(exc)


class Serving:
    """Serves for the length of a block; a warning says if the server could not be removed.

    The block ends as without that error: an answer that was complete is a success. If the removal
    takes long, *signals* tells the user.
    """

    def __init__(self, server: AbstractContextManager[ModelServer], signals: Signals) -> None:
        self._server = server
        self._signals = signals

    def __enter__(self) -> ModelServer:
        return self._server.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._signals.expect_end()
        try:
            self._server.__exit__(kind, exc, traceback)
        except EngineFailure as failure:
            print_error(f"Warning: {failure}; the next command removes the container")


def report_os_error(exc: OSError) -> int:
    """Say what failed, and return the exit code; nothing is said of a pipe that was closed."""
    _silence_stdout()  # or the flush at exit would fail again
    is_closed = isinstance(exc, BrokenPipeError)
    if not is_closed or hasattr(exc, "__notes__"):
        print_error(f"Error: {_os_message(exc)}")
    return BROKEN_PIPE if is_closed else IO_FAILED


def _message(exc: Exception) -> str:
    """Return the message of *exc* on one line: a file name in it may contain a newline."""
    # Only an EngineFailure has several lines: the list of the engines that were tried.
    return str(exc) if isinstance(exc, EngineFailure) else str(exc).replace("\n", "\\n")


def _os_message(exc: OSError) -> str:
    """Return what failed and why, and then the notes that the command added."""
    name = exc.filename if isinstance(exc.filename, str) else ""  # a number: a descriptor
    what = ": ".join(filter(None, (name, exc.strerror or str(exc))))
    return "; ".join((what, *getattr(exc, "__notes__", ())))


def _prepare_streams() -> None:
    """Open the null device for each standard stream that the parent process has closed (``>&-``).

    Python sets such a stream to None. Characters that the locale cannot encode or decode are
    replaced, so that they do not end a conversation. An error of stdout names it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 (stays open)
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _naming_itself(cast("io.TextIOWrapper", sys.__stdout__))
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            cast("io.TextIOWrapper", stream).reconfigure(errors="replace")


def _naming_itself(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return the same stream, whose errors have a file name, unlike those of other descriptors."""
    raw = _StandardOutput(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _StandardOutput(io.FileIO):
    """Standard output as a file with a name."""

    def write(self, content: ReadableBuffer, /) -> int:
        """Write *content*; an error names the file."""
        try:
            return super().write(content)
        except OSError as exc:
            exc.filename = "standard output"
            raise


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
