"""`chat --rag`: documents for a server that already runs."""

from __future__ import annotations

import io
from contextlib import contextmanager, redirect_stderr
from typing import TYPE_CHECKING, cast

from ramalama.cli.options.rag import documents_of
from ramalama.events import IndexWriting

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama.cli.invocation import Invocation
    from ramalama.events import EventHook


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class IndexingInvocation:
    """Indexes documents when they are opened."""

    quiet = False

    @contextmanager
    def ramalama(self) -> Generator[IndexingInvocation]:
        yield self

    @contextmanager
    def documents(self, _named: str, *, on_event: EventHook) -> Generator[None]:
        on_event(IndexWriting(1))
        yield


def test_an_answer_does_not_begin_behind_the_progress_of_indexing() -> None:
    invocation = cast("Invocation", IndexingInvocation())

    with redirect_stderr(Terminal()) as terminal, documents_of("docs", invocation):
        before_the_answer = terminal.getvalue()

    assert before_the_answer.endswith("Writing the index …\r\x1b[K")
