"""The messages of a conversation, without any I/O."""

from collections.abc import Sequence

from ramalama_values import frozen
from ramalama_values.text import encodable


@frozen(kw_only=False)
class Exchange:
    """A prompt and its answer; the answer may be incomplete if it was interrupted.

    *images* are the pictures that were sent with the prompt, as data URLs.
    """

    prompt: str
    answer: str
    images: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Characters of text; images are not counted, since their size in tokens is unknown."""
        return len(self.prompt) + len(self.answer)


class Conversation:
    """The exchanges so far, under an optional system prompt.

    *opening* holds turns, as role and content, that stand before the exchanges and are never
    dropped: the examples with which a model's author shows how it should answer.

    A prompt is added together with its answer, so that user and assistant always alternate, which
    the chat templates of some models require.
    """

    def __init__(
        self, *, system: str | None = None, opening: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.system = system
        self.opening = tuple(opening)
        self._exchanges: list[Exchange] = []

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The exchanges, oldest first."""
        return tuple(self._exchanges)

    def messages(self, prompt: str, images: Sequence[str] = ()) -> list[dict[str, object]]:
        """Return the conversation in the format of the chat API, with *prompt* as its last turn."""
        opening = [("system", self.system)] if self.system else []
        turns = [_turn(role, text) for role, text in (*opening, *self.opening)]
        for exchange in self._exchanges:
            turns.append(_turn("user", exchange.prompt, exchange.images))
            turns.append(_turn("assistant", exchange.answer))
        return [*turns, _turn("user", prompt, images)]

    def record(self, prompt: str, answer: str, images: Sequence[str] = ()) -> None:
        """Add a prompt and its answer; a prompt without an answer is not added."""
        if answer:
            self._exchanges.append(Exchange(prompt, answer, tuple(images)))

    def undo(self) -> Exchange | None:
        """Remove the last exchange and return it; None if there is none."""
        return self._exchanges.pop() if self._exchanges else None

    def drop_oldest(self, characters: int) -> int:
        """Drop the oldest exchanges, at least one, until at most *characters* are left.

        Return how many were dropped: 0 if there were none.
        """
        dropped, size = 0, sum(exchange.size for exchange in self._exchanges)
        while self._exchanges and (dropped == 0 or size > characters):
            size -= self._exchanges.pop(0).size
            dropped += 1
        return dropped

    def replace(self, exchanges: Sequence[Exchange]) -> None:
        """Replace all exchanges with *exchanges*."""
        self._exchanges = list(exchanges)

    def clear(self) -> None:
        """Remove all exchanges, but keep the system prompt."""
        self._exchanges.clear()


def _turn(role: str, text: str, images: Sequence[str] = ()) -> dict[str, object]:
    content: object = encodable(text)
    if images:
        pictures = [{"type": "image_url", "image_url": {"url": image}} for image in images]
        content = [{"type": "text", "text": content}, *pictures]
    return {"role": role, "content": content}
