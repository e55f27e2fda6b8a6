"""Ask the user what ssh needs to know: a passphrase, a code, or whether to trust a host."""

from __future__ import annotations

import getpass
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

from ramalama_values import frozen

_TERMINAL: Final = Path("/dev/tty")


@frozen(kw_only=False)
class Question:
    """A question; the answer to a secret one is not shown while it is typed."""

    prompt: str
    is_secret: bool = True


# Returns None if the user cannot be asked. It is called in the thread that needs the answer.
Ask: TypeAlias = Callable[[Question], str | None]
AskLater: TypeAlias = Callable[[Question], Awaitable[str | None]]


def ask_on_terminal(question: Question) -> str | None:
    """Ask on the terminal of this process, as ssh does; None if it has none."""
    try:
        with _TERMINAL.open("r+b", buffering=0) as terminal:
            if not question.is_secret:
                terminal.write(question.prompt.encode())
                return terminal.readline(1000).decode(errors="replace").strip()
    except OSError:
        return None
    try:
        return getpass.getpass(question.prompt)
    except EOFError:  # Ctrl-D
        return None


async def do_not_ask(_: Question) -> str | None:
    """Answer nothing."""
    return None
