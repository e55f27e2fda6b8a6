"""What a talk at a terminal has at hand, beside the conversation itself."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TextIO

from ramalama_chat.input.attachments import Attachments
from ramalama_chat.repl.history import History
from ramalama_chat.session.conversation import Conversation
from ramalama_chat.session.usage import Usage
from ramalama_chat.text import ControlFilter
from ramalama_chat.tools.tool import Tool


class ChatProtocol(Protocol):
    """What a prompt loop needs of a ChatSession."""

    counting: bool

    @property
    def model(self) -> str:
        """What the server calls the model."""
        ...

    @property
    def conversation(self) -> Conversation:
        """What was said so far."""
        ...

    @property
    def parameters(self) -> dict[str, object]:
        """Further members of each request."""
        ...

    @property
    def finish_reason(self) -> str | None:
        """Why the last answer ended; "length" where the context was full."""
        ...

    @property
    def usage(self) -> Usage | None:
        """What the last answer took."""
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

    def context_size(self) -> int | None:
        """Tell how many tokens the context holds; None if nobody knows."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt as it is sent, with what was attached to it."""

    prompt: str
    images: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class ChatState:
    """What commands change and the next answer follows.

    *think* shows a model's reasoning, and lets it reason; *stats* shows what each answer took;
    *unanswered* is a question that got no answer, for `/regenerate`; *tools* are what the model may
    call.
    """

    talk: ChatProtocol
    stderr: TextIO
    history: History
    home: Path = field(default_factory=Path)
    think: bool = True
    stats: bool = False
    attachments: Attachments = field(default_factory=Attachments)
    unanswered: Question | None = None
    tools: Sequence[Tool] = ()

    def tell(self, note: str) -> None:
        """Say something that is no answer; part of it may be a server's words or a file's."""
        print(ControlFilter().feed(note), file=self.stderr, flush=True)

    def path(self, name: str) -> Path:
        """Return the file that the user calls *name*; ``~/`` is their home.

        Quotes around it are none of it: terminals add them to what is dropped on them.
        """
        if len(name) > len("''") and name[0] == name[-1] and name[0] in "'\"":
            name = name[1:-1]
        return self.home / name[2:] if name.startswith("~/") else Path(name)
