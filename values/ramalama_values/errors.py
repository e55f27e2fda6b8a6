"""An error with parts: what failed, what to do about it, and what a command ends with."""

from __future__ import annotations


class ExplainedError(Exception):
    """An error that is raised on purpose, for a user to read.

    As text it is one line: *message*, and *hint* after a semicolon.

    Attributes:
        message: what failed, of what, and why if that is known.
        hint: what the user can do next; None where nothing is known to help.
        exit_code: what a command that fails by it ends with; None and 0 stand for 1.
    """

    exit_code: int | None = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message if hint is None else f"{message}; {hint}")
        self.message = message
        self.hint = hint
