"""What a session may look up before it asks the model: the interface, without any I/O."""

from collections.abc import Sequence
from typing import Protocol

from ramalama_values import frozen


@frozen()
class Finding:
    """What was found for one question.

    Attributes:
        prompt: what is sent instead of the question; the question itself if nothing was found.
        labels: how each source is cited, in the order of their numbers, from [1].
        texts: the text of each source.
    """

    prompt: str
    labels: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


class Knowledge(Protocol):
    """Finds what the documents of the user say about a question."""

    def look_up(self, question: str, earlier: Sequence[str], room: int | None) -> Finding:
        """Look up *question*; *earlier* are the questions before it, the last one last.

        *room* is how many tokens the model's context holds, None if it is not known; at most a
        quarter of it is filled.

        Raises:
            ChatError: it cannot be looked up.
        """
        ...
