"""The option that names documents to search, which `run`, `chat` and `serve` have in common."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ramalama.cli.invocation import add_group
from ramalama.config.option_spec import Group

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator

    from ramalama.cli.invocation import Invocation
    from ramalama_chat.session.knowledge import Knowledge


def add_rag_option(parser: argparse.ArgumentParser) -> None:
    """Add `--rag`."""
    add_group(parser.add_argument_group(Group.RAG), Group.RAG)


@contextmanager
def documents_of(named: str | None, invocation: Invocation) -> Generator[Knowledge | None]:
    """Open the documents that `--rag` names, for a server that already runs; None without them."""
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
