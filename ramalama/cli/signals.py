"""Signals as exceptions: none of them is lost, and none disturbs the clean-up.

Python calls a signal's handler in the main thread: at the beginning of a function, after a call of
something that is written in C, and where a loop begins its next round. An exception that is raised
there is dropped in a destructor or a weak reference's callback (each import has one, and each
thread), and it does harm where a lock has just been taken or a clean-up is half done. So the
handler looks at what is running, and what it raises is watched until it has been caught.

**Why names of functions.** A marker that clean-up code enters, such as a counter, comes too late:
a handler may run before the first instruction of `__exit__`. At 13 of the 45 instructions of a
`with` a signal left the lock taken in spite of it, and libraries would not enter it at all. What a
frame runs is known before its first instruction, and `__enter__`, `__exit__`, `__del__`, `acquire`
and `release` are names that the language and its locks prescribe. `test_signal_moments.py`
tries every moment.

**A clean-up that waits.** An engine that hangs would make the clean-up wait for a minute. After a
second the command says what it waits for, and from then on a signal ends the process at once, as
`kill -9` does. That is safe: the kernel releases the locks of files, and the next command removes
the container.

**Why not a worker thread**, with a main thread that waits for signals and sets an Event. It was
built and measured. Answers, prompts, the editor, logs and downloads ended as soon as they do here
(equal within the noise), with the same exit codes, and 200 random kills left nothing. But each wait
has to be ended in its own way: sockets shut down, descriptors replaced, event loops woken, Events
passed down to each retry. Without that a wait does not hear Ctrl-C: a stalled pull of an image and
another command's lock did not within 20 s (here 25 ms), a silent engine took 9 s (here 35 ms), and
calls of tools hung. It was 208 lines longer before any of those. And it replaces little: programs
use the library in their main thread, so `uninterrupted.py` and the clean-up after KeyboardInterrupt
stay.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ramalama.events import EngineConnected
from ramalama_chat.errors import KeepAliveExpired

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from ramalama.events import Event

_TERMINATING = (signal.SIGTERM, signal.SIGHUP)
_SIGNAL_BASE = 128
_RETRY_DELAY = 0.005  # seconds until the next attempt to raise
_CLEANUP_TIME = 1.0  # seconds, after which the user is told what the command waits for
_CLEAR_LINE = "\r\x1b[K"

# These functions, and what they call, clean up: an exception would leave the rest undone.
_CLEANS_UP = frozenset({"__exit__", "__del__"})

# These functions have just taken a lock or are about to release one: the protocols of `with` and of
# locks, and the internal ones of `threading` and `logging`. What they call may be interrupted.
_IS_HALFWAY = frozenset(
    {
        *("__enter__", "acquire", "release"),
        *("_acquire_restore", "_release_save"),
        *("_acquireLock", "_releaseLock"),
    }
)

# Modules whose other functions do so, too: with the lock of all imports, and with a context that an
# ExitStack has entered but not yet recorded. None of them waits there for long.
_HALFWAY_MODULES = frozenset({"importlib._bootstrap", "contextlib"})


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; a class of its own, because KeyboardInterrupt supports no weak references."""


class Terminated(SystemExit):
    """SIGTERM or SIGHUP: clean up, and exit with 128 + the number of the signal."""


class Expired(BaseException):
    """The alarm of `--keepalive`; a BaseException, so that no `except Exception` catches it."""


class Signals:
    """Raises the exception of a signal in the main thread, and again if Python has dropped it.

    After that, further signals are only recorded, so that the clean-up is not interrupted; once the
    user was told that it takes long, the next signal ends the process. Code that catches
    KeyboardInterrupt and continues must call `listen_again`.

    Attributes:
        waits_for: what a clean-up that takes long waits for, for the user.
    """

    def __init__(self) -> None:
        self.waits_for = "the clean-up to end"
        self._muted = True  # no exception is raised
        self._due: int | None = None  # the signal whose exception must still be raised
        self._raised: int | None = None  # the signal whose exception was raised and not yet caught
        self._exception: weakref.ref[BaseException] | None = None
        self._expiry: float | None = None
        self._tell_at: float | None = None  # when the user is told that the clean-up takes long
        self._may_exit = False  # the user has been told

    def listen_again(self) -> None:
        """Raise exceptions again; drop a second Ctrl-C that came since the first one."""
        if self._raised is not None and self._due == signal.SIGINT:
            self._due = None
        self._tell_at, self._may_exit = None, False
        self._listen()

    def note_engine(self, event: Event) -> None:
        """Note which engine a clean-up that takes long waits for."""
        if isinstance(event, EngineConnected):
            self.waits_for = f"{event.kind} to remove the container"

    def expect_end(self) -> None:
        """Expect the command to end soon; otherwise tell the user what it waits for."""
        if self._tell_at is None and not self._may_exit:
            self._tell_at = time.monotonic() + _CLEANUP_TIME
            self._set_alarm()

    def start_keepalive(self, seconds: float | None) -> None:
        """Raise Expired after *seconds*; None sets no limit."""
        if seconds is not None:
            self._expiry = time.monotonic() + seconds
            self._set_alarm()

    def close(self) -> None:
        """Stop raising exceptions."""
        self._muted = True
        self._exception = None
        signal.setitimer(signal.ITIMER_REAL, 0)

    def raise_due(self) -> None:
        """Raise the exception of a signal that could not be raised safely until now."""
        if self._due is not None:
            raise _exception_for(self._due)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Raise the exception of a signal, now or as soon as it is safe; for `signal.signal`."""
        if number != signal.SIGALRM and self._may_exit:
            os._exit(_SIGNAL_BASE + number)
        if number != signal.SIGALRM or self._has_expired():
            self._remember(number)
        self._tell_if_due()
        if self._due is None or self._muted:
            self._set_alarm()
        elif _is_bad_moment(frame):
            self.expect_end()
            self._set_alarm()
        else:
            raise self._make_exception(self._due)

    def has_sent(self, exception: BaseException | None) -> bool:
        """Return whether *exception* is the one that was raised here and not yet caught."""
        return self._exception is not None and self._exception() is exception

    def _remember(self, number: int) -> None:
        """Record a signal: SIGTERM replaces Ctrl-C, which may be meant only for an answer."""
        if self._due in (None, signal.SIGINT):
            self._due = number

    def _make_exception(self, number: int) -> BaseException:
        exception = _exception_for(number)
        # The code that catches it has the only reference; when that is gone, `_lost` is called.
        self._exception = weakref.ref(exception, self._lost)
        self._raised, self._due, self._muted = number, None, True
        self.expect_end()
        return exception

    def _lost(self, _: weakref.ref[BaseException]) -> None:
        """Raise the exception again: Python has destroyed it, and no code has caught it."""
        if self._raised is not None:
            self._remember(self._raised)
        self._listen()

    def _listen(self) -> None:
        self._raised = self._exception = None
        self._muted = False
        self._set_alarm()

    def _has_expired(self) -> bool:
        return self._expiry is not None and time.monotonic() >= self._expiry

    def _tell_if_due(self) -> None:
        """Tell the user what the clean-up waits for, if it takes long."""
        if self._tell_at is None or time.monotonic() < self._tell_at:
            return
        self._tell_at, self._may_exit = None, True
        again = " again" if self._raised is not None else ""
        text = f"Waiting for {self.waits_for}; press Ctrl-C{again} to leave it to the next command"
        with suppress(OSError):  # there is no reader
            # Not sys.stderr: a handler may run in the middle of another write to it.
            os.write(2, f"{_CLEAR_LINE if os.isatty(2) else ''}{text}\n".encode())

    def _set_alarm(self) -> None:
        """Set the alarm for what comes first: the next attempt, `--keepalive`, or the notice."""
        times = [] if self._tell_at is None else [self._tell_at]
        if not self._muted:
            if self._due is not None:
                times.append(0.0)  # as soon as possible
            elif self._expiry is not None:
                times.append(self._expiry)
        delay = max(_RETRY_DELAY, min(times) - time.monotonic()) if times else 0.0  # 0: none
        signal.setitimer(signal.ITIMER_REAL, delay)


@contextmanager
def handled_signals() -> Generator[Signals]:
    """Handle SIGINT, SIGTERM, SIGHUP and the alarm of `--keepalive` for the length of a block.

    Signals that the process inherited as ignored (`nohup`, a shell's ``&``) stay ignored.

    Raises:
        KeyboardInterrupt, Terminated: a signal has ended the block.
        KeepAliveExpired: the time of `--keepalive` is over.
    """
    signals = Signals()
    numbers = (signal.SIGINT, *_TERMINATING, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    report = sys.unraisablehook

    def report_others(dropped: sys.UnraisableHookArgs) -> None:
        if not signals.has_sent(dropped.exc_value):
            report(dropped)

    try:
        sys.unraisablehook = report_others
        for number, handler in before.items():
            if handler is not signal.SIG_IGN or number == signal.SIGALRM:
                signal.signal(number, signals.handle)
        signals.listen_again()
        yield signals
        signals.raise_due()
    except Expired:
        msg = "the time given by --keepalive is over"
        raise KeepAliveExpired(msg) from None
    finally:
        signals.close()
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = report


def _is_bad_moment(frame: FrameType | None) -> bool:
    """Return whether an exception that is raised in *frame* would do harm."""
    if frame is not None and _is_halfway(frame):
        return True
    while frame is not None:
        if frame.f_code.co_name in _CLEANS_UP:
            return True
        frame = frame.f_back
    return False


def _is_halfway(frame: FrameType) -> bool:
    """Return whether *frame* itself has just taken a lock or is about to release one."""
    if frame.f_code is threading.Condition.wait.__code__:
        # C code releases the lock if it is an RLock, as in a Future. The `finally` that takes it
        # again applies only once `gotit` is set.
        return "gotit" not in frame.f_locals
    module = frame.f_globals.get("__name__")
    return frame.f_code.co_name in _IS_HALFWAY or module in _HALFWAY_MODULES


def _exception_for(number: int) -> BaseException:
    if number == signal.SIGINT:
        return Interrupted()
    if number == signal.SIGALRM:
        return Expired()
    return Terminated(_SIGNAL_BASE + number)
