"""The state of a chat at a terminal: the session, and what the commands change."""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TextIO

from ramalama_chat.client.abilities import Abilities
from ramalama_chat.input.attachments import Attachments
from ramalama_chat.repl.history import History
from ramalama_chat.session.conversation import Conversation
from ramalama_chat.session.ending import Usage
from ramalama_chat.session.knowledge import Finding, Knowledge, Source
from ramalama_chat.text import ControlFilter
from ramalama_chat.tools.tool import Tool

HOW_TO_LEAVE = "(/bye, Ctrl-D, or Ctrl-C once more leaves)"
_AFTERMATH = 1.0  # seconds


class ChatProtocol(Protocol):
    """The part of `ChatSession` that the prompt loop needs."""

    counting: bool
    looks_up: bool

    @property
    def knowledge(self) -> Knowledge | None:
        """What is looked up for each prompt."""
        ...

    @property
    def finding(self) -> Finding | None:
        """What was found for the last prompt."""
        ...

    def cited(self) -> Sequence[tuple[int, Source]]:
        """Return the sources that the last answer cites, with their numbers."""
        ...

    @property
    def model(self) -> str:
        """The model's name on the server."""
        ...

    @property
    def conversation(self) -> Conversation:
        """The conversation so far."""
        ...

    @property
    def parameters(self) -> dict[str, object]:
        """Additional members of each request."""
        ...

    @property
    def finish_reason(self) -> str | None:
        """Why the last answer ended; "length" if the context or the token limit was reached."""
        ...

    @property
    def is_empty(self) -> bool:
        """Whether the last answer has no text but white space."""
        ...

    @property
    def has_reasoned(self) -> bool:
        """Whether the last answer has reasoning."""
        ...

    @property
    def usage(self) -> Usage | None:
        """The tokens and times of the last answer."""
        ...

    def ask(
        self,
        prompt: str,
        *,
        images: Sequence[str] = (),
        on_reasoning: Callable[[str], None] | None = None,
    ) -> Generator[str, None, None]:
        """Yield the answer to *prompt* in pieces, as they arrive."""
        ...

    def context_size(self) -> int | None:
        """Return how many tokens the context holds; None if that is unknown."""
        ...

    def abilities(self) -> Abilities:
        """Ask the server what the model is able to do."""
        ...

    def larger_context(self, needed: int | None = None) -> str:
        """Return what helps if *needed* tokens do not fit, or if the context just became full."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt as it is sent, and the images attached to it."""

    prompt: str
    images: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class ChatState:
    """The state that commands change and that the next answer uses.

    *think* lets the model reason, and shows its reasoning. *stats* shows statistics of each answer.
    *unanswered* is the last question if it got no answer, for `/regenerate`. *tools* are the tools
    that the model may call. *names_sources* says after an answer which sources it cites.
    *answered_at* is when the last answer ended, a value of
    `time.monotonic`.
    """

    session: ChatProtocol
    stderr: TextIO
    history: History
    home: Path = field(default_factory=Path)
    think: bool = True
    stats: bool = False
    attachments: Attachments = field(default_factory=Attachments)
    unanswered: Question | None = None
    tools: Sequence[Tool] = ()
    names_sources: bool = True
    answered_at: float = float("-inf")

    @property
    def has_just_answered(self) -> bool:
        """Whether an answer ended less than a second ago, so that Ctrl-C is meant for it."""
        return time.monotonic() - self.answered_at < _AFTERMATH

    def tell(self, note: str) -> None:
        """Print *note* to the error stream; control sequences in it are removed."""
        print(ControlFilter().feed(note), file=self.stderr, flush=True)

    def path(self, name: str) -> Path:
        """Return the file that the user calls *name*; ``~/`` is the home directory.

        Quotes around *name* are removed: terminals add them to files that are dropped on them.
        """
        if len(name) > len("''") and name[0] == name[-1] and name[0] in "'\"":
            name = name[1:-1]
        return self.home / name[2:] if name.startswith("~/") else Path(name)
