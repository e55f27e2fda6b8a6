"""The documents that `--rag` names, for a server that already runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama.cli.invocation import Invocation
    from ramalama_chat.session.knowledge import Knowledge


@contextmanager
def documents_of(named: str | None, invocation: Invocation) -> Generator[Knowledge | None]:
    """Open the documents that are *named*; None without a name."""
    if named is None:
        yield None
        return
    from ramalama.cli.output.start_progress import StartProgress  # noqa: PLC0415 (rarely needed)

    progress = StartProgress(quiet=invocation.quiet)
    with invocation.ramalama() as ramalama:
        try:
            with ramalama.documents(named, on_event=progress.follow) as knowledge:
                progress.clear()
                yield knowledge
        finally:
            progress.clear()
