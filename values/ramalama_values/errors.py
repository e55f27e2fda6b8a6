"""The base class of errors for users: a message, a hint, and a command's exit code."""

from __future__ import annotations


class ExplainedError(Exception):
    """An expected error, whose message is written for users.

    ``str(error)`` is one line: *message*, and *hint* after a semicolon.

    Attributes:
        message: what failed, of what, and why if that is known.
        hint: what the user can do next; None if no remedy is known.
        exit_code: the exit code of a command that fails with this error; None and 0 mean 1.
    """

    exit_code: int | None = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message if hint is None else f"{message}; {hint}")
        self.message = message
        self.hint = hint
