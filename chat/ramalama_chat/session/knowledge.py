"""What a session may look up before it asks the model: the interface, without any I/O."""

from collections.abc import Sequence
from typing import Protocol

from ramalama_values import frozen


@frozen()
class Source:
    """A passage of a document that goes to the model with a question.

    Attributes:
        label: how it is cited, on one line: ``guide.pdf p. 12 › Networking``.
        text: what is shown to the model.
        uri: the path or URL of its document.
    """

    label: str
    text: str = ""
    uri: str = ""


@frozen()
class Finding:
    """What was found for one question.

    Attributes:
        prompt: what is sent instead of the question; the question itself if nothing was found.
        sources: the passages in it, in the order of their numbers, from [1].
    """

    prompt: str
    sources: tuple[Source, ...] = ()


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
