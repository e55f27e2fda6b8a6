"""A chat session without a server: it repeats what it is asked."""

from __future__ import annotations

import io
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama_chat import ChatError, Conversation, Repl, Usage
from ramalama_chat.client.abilities import Abilities
from ramalama_chat.repl.history import History
from ramalama_chat.repl.repl import LineReader
from ramalama_chat.repl.state import ChatState

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ramalama_chat.session.knowledge import Finding, Knowledge, Source


class Parrot:
    """Repeats what it is asked, or does what the next item of *mishaps* says."""

    def __init__(
        self,
        *mishaps: BaseException | None,
        finish_reason: str = "stop",
        usage: Usage | None = None,
        context: int | None = None,
        thought: str = "",
    ) -> None:
        self.asked: list[str] = []
        self.images: list[tuple[str, ...]] = []
        self.conversation = Conversation()
        self.parameters: dict[str, object] = {}
        self.finish_reason: str | None = finish_reason
        self.usage = usage
        self.able = Abilities()
        self.is_empty = False
        self.has_reasoned = False
        self.counting = False
        self.looks_up = True
        self.knowledge: Knowledge | None = None
        self.finding: Finding | None = None
        self.model = "parrot"
        self._mishaps = list(mishaps)
        self._context = context
        self._thought = thought

    def ask(
        self,
        prompt: str,
        *,
        images: Sequence[str] = (),
        on_reasoning: Callable[[str], None] | None = None,
    ) -> Generator[str, None, None]:
        self.asked.append(prompt)
        self.images.append(tuple(images))
        if self._thought and on_reasoning is not None:
            on_reasoning(self._thought)
        mishap = self._mishaps.pop(0) if self._mishaps else None
        if isinstance(mishap, ChatError):
            raise mishap
        self.conversation.record(prompt, f"<{prompt}>", images)
        yield f"<{prompt}>"
        if mishap is not None:
            raise mishap

    def cited(self) -> Sequence[tuple[int, Source]]:
        return tuple(enumerate(self.finding.sources, start=1)) if self.finding else ()

    def context_size(self) -> int | None:
        return self._context

    def abilities(self) -> Abilities:
        return self.able

    def larger_context(self, needed: int | None = None) -> str:
        return f"make room for {needed}"


class InterruptedKeyboard(io.BytesIO):
    """A keyboard on which Ctrl-C is pressed a second after the text is typed."""

    pause = 1.1  # seconds
    pressed = 0

    def read1(self, size: int | None = -1, /) -> bytes:
        content = super().read1(size)
        if not content:
            time.sleep(self.pause)
            raise KeyboardInterrupt
        return content


class HastyKeyboard(InterruptedKeyboard):
    """A keyboard on which Ctrl-C is pressed twice at once, and once more a second later."""

    pause = 0.0

    def read1(self, size: int | None = -1, /) -> bytes:
        try:
            return super().read1(size)
        except KeyboardInterrupt:
            self.pause = InterruptedKeyboard.pause if self.pressed else 0.0
            self.pressed += 1
            raise


@dataclass
class Heard:
    """The result of a conversation."""

    parrot: Parrot
    state: ChatState
    out: str = ""
    err: str = ""
    caught: list[bool] = field(default_factory=list[bool])


def talk(
    typed: str,
    parrot: Parrot | None = None,
    *,
    keyboard: type[io.BytesIO] = io.BytesIO,
    why_gone: Callable[[], Exception | None] = lambda: None,
    home: Path = Path("/nonexistent"),
) -> Heard:
    """Let a user type *typed* into a prompt loop, prefix "> "."""
    out, err = io.StringIO(), io.StringIO()
    parrot = parrot or Parrot()
    history = History(home / "history", lambda warning: print(warning, file=err))
    state = ChatState(session=parrot, stderr=err, history=history, home=home)
    heard = Heard(parrot, state)
    with closing(io.TextIOWrapper(keyboard(typed.encode()), encoding="utf-8")) as stdin:
        Repl(
            state=state,
            reader=LineReader(stdin=stdin, stderr=err, prefix="> "),
            stdout=out,
            on_interrupt=lambda: heard.caught.append(True),
            why_gone=why_gone,
        ).run()
    heard.out, heard.err = out.getvalue(), err.getvalue()
    return heard
