"""A conversation that has outgrown the model's context loses its oldest exchanges."""

from collections.abc import Callable, Generator, Sequence
from typing import Protocol

from ramalama_chat.conversation import Conversation
from ramalama_chat.errors import ContextExceeded

_ROOM = 0.75  # how full the context may be afterwards: an answer needs room too
_HALF = 0.5


class Asked(Protocol):
    """What this needs of a ChatSession."""

    @property
    def conversation(self) -> Conversation:
        """What was said so far."""
        ...

    def ask(
        self,
        prompt: str,
        *,
        images: Sequence[str] = (),
        on_reasoning: Callable[[str], None] | None = None,
    ) -> Generator[str, None, None]:
        """Yield the answer to *prompt* as it comes."""
        ...


def ask_with_room(
    talk: Asked,
    prompt: str,
    *,
    images: Sequence[str] = (),
    on_reasoning: Callable[[str], None] | None = None,
    on_dropped: Callable[[int], None],
) -> Generator[str, None, None]:
    """Ask as `ChatSession.ask` does, and forget what is oldest as often as the server refuses.

    A server refuses before it begins, so nothing is answered twice. *on_dropped* is told how many
    exchanges each refusal has cost.

    Raises:
        ContextExceeded: *prompt* alone does not fit.

    """
    while True:
        try:
            yield from talk.ask(prompt, images=images, on_reasoning=on_reasoning)
        except ContextExceeded as exc:
            dropped = talk.conversation.drop_oldest(_allowed(talk.conversation, exc))
            if not dropped:
                raise
            on_dropped(dropped)
        else:
            return


def _allowed(conversation: Conversation, exc: ContextExceeded) -> int:
    """Estimate how many characters of *conversation* may stay."""
    size = sum(exchange.size for exchange in conversation.exchanges)
    if exc.needed and exc.held:
        return int(size * min(1.0, _ROOM * exc.held / exc.needed))
    return int(size * _HALF)
