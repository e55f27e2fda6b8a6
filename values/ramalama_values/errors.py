"""The root of all errors of the program and the library."""

from __future__ import annotations


class RamalamaError(Exception):
    """The base of all expected errors; as text it is one line, written for the user.

    ``str(error)`` is *message*, and *hint* after a semicolon. Each error can be pickled, with all
    its attributes, so that it passes from a process of a pool to its parent.

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

    def __reduce__(self) -> tuple[object, ...]:
        """Return how to make the same error again without its constructor.

        Python would call the constructor with ``args``, the one line, and a constructor with
        keywords refuses that. `BaseException.__setstate__` sets the attributes, and ``args``.
        """
        return _blank, (type(self),), {"args": self.args, **vars(self)}


def _blank(kind: type[RamalamaError]) -> RamalamaError:
    return kind.__new__(kind)
