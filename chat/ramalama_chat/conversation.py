"""What was said, without any I/O."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exchange:
    """A prompt and what the model said to it, be it all of its answer or the part we heard."""

    prompt: str
    answer: str


class Conversation:
    """The exchanges so far, under an optional system prompt.

    *opening* are turns, role and content, that stand before them and are never forgotten: the
    examples with which a model's author shows how it is meant to answer.

    A prompt enters together with its answer: whatever happens in between, user and assistant
    alternate, which some models' chat templates insist on.
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

    def messages(self, prompt: str) -> list[dict[str, str]]:
        """Return the conversation with *prompt* as its last turn, as the chat API has it."""
        turns = [("system", self.system)] if self.system else []
        turns += self.opening
        for exchange in self._exchanges:
            turns += [("user", exchange.prompt), ("assistant", exchange.answer)]
        turns.append(("user", prompt))
        return [{"role": role, "content": _encodable(content)} for role, content in turns]

    def record(self, prompt: str, answer: str) -> None:
        """Remember what was asked and answered; a prompt without an answer is not kept."""
        if answer:
            self._exchanges.append(Exchange(prompt, answer))

    def clear(self) -> None:
        """Forget every exchange; the system prompt stays."""
        self._exchanges.clear()


def _encodable(text: str) -> str:
    """Join surrogate pairs and replace lone halves, which JSON over UTF-8 cannot carry."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
