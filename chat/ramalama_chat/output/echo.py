"""Whether a terminal shows the keys that are pressed: not in the middle of an answer."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TextIO

_LOCAL_MODES = 3  # the index of c_lflag in what `termios.tcgetattr` returns


@contextmanager
def hidden_keys(keyboard: TextIO) -> Generator[None]:
    """Do not show what is typed during the block; it is read after it, by the next prompt."""
    with _echo(keyboard, on=False):
        yield


@contextmanager
def shown_keys(keyboard: TextIO) -> Generator[None]:
    """Show what is typed during the block, in a block of `hidden_keys`."""
    with _echo(keyboard, on=True):
        yield


@contextmanager
def _echo(keyboard: TextIO, *, on: bool) -> Generator[None]:
    before = _set_echo(keyboard, on=on)
    try:
        yield
    finally:
        if before is not None:
            _ = _set_echo(keyboard, on=before)


def _set_echo(keyboard: TextIO, *, on: bool) -> bool | None:
    """Set the mode and return what it was; None if this is no terminal that we may change."""
    import termios  # noqa: PLC0415 - only for a terminal

    with suppress(OSError, ValueError, termios.error):  # closed, or not a terminal
        number = keyboard.fileno()
        # A process in the background would be stopped (SIGTTOU).
        if os.isatty(number) and os.tcgetpgrp(number) == os.getpgrp():
            modes = termios.tcgetattr(number)
            local: int = modes[_LOCAL_MODES]
            modes[_LOCAL_MODES] = local | termios.ECHO if on else local & ~termios.ECHO
            termios.tcsetattr(number, termios.TCSANOW, modes)
            return bool(local & termios.ECHO)
    return None
