"""Drop the oldest exchanges of a conversation that no longer fits into the model's context."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing

from ramalama_chat.errors import ContextExceeded
from ramalama_chat.repl.state import ChatProtocol
from ramalama_chat.session.conversation import Conversation, Exchange

_KEPT = 0.75  # how full the context may be afterwards: the answer needs space, too
_HALF = 0.5


def ask_within_context(
    session: ChatProtocol,
    prompt: str,
    *,
    images: Sequence[str] = (),
    on_reasoning: Callable[[str], None] | None = None,
    on_dropped: Callable[[int], None],
) -> Generator[str, None, None]:
    """Ask as `ChatSession.ask` does; drop old exchanges until the server accepts the request.

    A server refuses before the answer begins, so no text is repeated. *on_dropped* gets the number
    of dropped exchanges once an answer begins. If there is no answer, no exchange is dropped.

    Raises:
        ContextExceeded: *prompt* alone does not fit.

    """
    before, cost = session.conversation.exchanges, _TokenCost(on_dropped)
    try:
        while True:
            pieces = session.ask(prompt, images=images, on_reasoning=cost.before(on_reasoning))
            try:
                yield from cost.before_all(pieces)
            except ContextExceeded as exc:
                dropped = session.conversation.drop_oldest(_allowed(session.conversation, exc))
                if not dropped:
                    raise
                cost.due += dropped
            else:
                return
    finally:
        if not _has_grown(session.conversation, before):
            session.conversation.replace(before)


def _has_grown(conversation: Conversation, before: Sequence[Exchange]) -> bool:
    """Return whether the conversation has gained at least a part of an answer."""
    last = conversation.exchanges[-1:]
    return bool(last) and all(each is not last[0] for each in before)


class _TokenCost:
    """Reports how many exchanges were dropped, just before the answer is shown."""

    def __init__(self, on_dropped: Callable[[int], None]) -> None:
        self._on_dropped = on_dropped
        self.due = 0  # exchanges that were dropped and not yet reported

    def before_all(self, pieces: Generator[str, None, None]) -> Generator[str, None, None]:
        with closing(pieces):
            for piece in pieces:
                self._report()
                yield piece
        self._report()

    def before(self, on_reasoning: Callable[[str], None] | None) -> Callable[[str], None] | None:
        if on_reasoning is None:
            return None

        def report_first(thought: str) -> None:
            self._report()
            on_reasoning(thought)

        return report_first

    def _report(self) -> None:
        due, self.due = self.due, 0
        if due:
            self._on_dropped(due)


def _allowed(conversation: Conversation, exc: ContextExceeded) -> int:
    """Estimate how many characters of *conversation* can be kept."""
    size = sum(exchange.size for exchange in conversation.exchanges)
    if exc.needed and exc.held:
        return int(size * min(1.0, _KEPT * exc.held / exc.needed))
    return int(size * _HALF)
