"""A conversation that has outgrown the model's context loses its oldest exchanges."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing

from ramalama_chat.errors import ContextExceeded
from ramalama_chat.repl.state import ChatProtocol
from ramalama_chat.session.conversation import Conversation, Exchange

_ROOM = 0.75  # how full the context may be afterwards: an answer needs room too
_HALF = 0.5


def ask_within_context(
    talk: ChatProtocol,
    prompt: str,
    *,
    images: Sequence[str] = (),
    on_reasoning: Callable[[str], None] | None = None,
    on_dropped: Callable[[int], None],
) -> Generator[str, None, None]:
    """Ask as `ChatSession.ask` does, and forget what is oldest as often as the server refuses.

    A server refuses before it begins, so nothing is answered twice. *on_dropped* is told how many
    exchanges that has cost, once there is an answer; where there is none, nothing is forgotten.

    Raises:
        ContextExceeded: *prompt* alone does not fit.

    """
    before, toll = talk.conversation.exchanges, _TokenCost(on_dropped)
    try:
        while True:
            pieces = talk.ask(prompt, images=images, on_reasoning=toll.before(on_reasoning))
            try:
                yield from toll.before_all(pieces)
            except ContextExceeded as exc:
                dropped = talk.conversation.drop_oldest(_allowed(talk.conversation, exc))
                if not dropped:
                    raise
                toll.due += dropped
            else:
                return
    finally:
        if not _has_grown(talk.conversation, before):
            talk.conversation.replace(before)


def _has_grown(conversation: Conversation, before: Sequence[Exchange]) -> bool:
    """Tell whether anything of an answer has been remembered."""
    last = conversation.exchanges[-1:]
    return bool(last) and all(each is not last[0] for each in before)


class _TokenCost:
    """Tells what an answer has cost, just before anything of it is shown."""

    def __init__(self, on_dropped: Callable[[int], None]) -> None:
        self._on_dropped = on_dropped
        self.due = 0  # exchanges that were dropped, and not told of yet

    def before_all(self, pieces: Generator[str, None, None]) -> Generator[str, None, None]:
        with closing(pieces):
            for piece in pieces:
                self._tell()
                yield piece
        self._tell()

    def before(self, on_reasoning: Callable[[str], None] | None) -> Callable[[str], None] | None:
        if on_reasoning is None:
            return None

        def tell_first(thought: str) -> None:
            self._tell()
            on_reasoning(thought)

        return tell_first

    def _tell(self) -> None:
        due, self.due = self.due, 0
        if due:
            self._on_dropped(due)


def _allowed(conversation: Conversation, exc: ContextExceeded) -> int:
    """Estimate how many characters of *conversation* may stay."""
    size = sum(exchange.size for exchange in conversation.exchanges)
    if exc.needed and exc.held:
        return int(size * min(1.0, _ROOM * exc.held / exc.needed))
    return int(size * _HALF)
