"""The prompt loop: send what the user types to the model, and show the answers.

Only answers go to the output stream; prompts, notes and errors go to the error stream.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TextIO

from ramalama_chat.errors import ChatError
from ramalama_chat.input.attachments import Attachments
from ramalama_chat.output.terminal import AnswerTerminal
from ramalama_chat.repl.ask import Asker
from ramalama_chat.repl.commands.outcome import Then
from ramalama_chat.repl.commands.table import find_command
from ramalama_chat.repl.input import Message, read_message
from ramalama_chat.repl.state import HOW_TO_LEAVE, ChatState, Question

CONTINUATION_PREFIX = "... "


class Reader(Protocol):
    """A source of messages."""

    def read(self) -> Message | None:
        """Return the next message; None if the user leaves."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LineReader:
    """Reads plain lines from a pipe, or from a terminal that has no line editing."""

    stdin: TextIO
    stderr: TextIO
    prefix: str

    def read(self) -> Message | None:
        """Show the prompt and read one message; at the end of the input, print a newline."""
        message = None
        try:
            message = read_message(self._read_line)
        finally:
            if message is None:
                print(file=self.stderr, flush=True)
        return message

    def _read_line(self, continued: bool) -> str:  # noqa: FBT001 - read_message calls it
        self.stderr.write(CONTINUATION_PREFIX if continued else self.prefix)
        self.stderr.flush()
        return self.stdin.readline()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repl:
    """A prompt loop between a reader and a chat session.

    *color* is for the answers, and *terminal* is where they are read. *on_interrupt* is called when
    this loop handles Ctrl-C, which stops an answer or a command, or leaves the loop. Within a
    second of an answer's end it does not leave, since it was meant for the answer. *why_gone* is
    called when the server does not answer; it returns the exception that ends the loop, or None if
    the session can continue.
    """

    state: ChatState
    reader: Reader
    stdout: TextIO
    color: bool = False
    terminal: AnswerTerminal | None = None
    on_interrupt: Callable[[], None] = lambda: None
    why_gone: Callable[[], Exception | None] = lambda: None

    def run(self) -> None:
        """Read and answer messages until the user leaves.

        Raises:
            Exception: the server has ended; this is what *why_gone* returned. Any other failed
                request is reported in a line, and the loop continues.

        """
        asker, reading, interrupted = self._asker(), False, None
        # One block around all of it: a second Ctrl-C must not find a gap. Between the first one and
        # `on_interrupt` it is ignored; until then the exception is kept, so that it counts as
        # caught.
        while True:
            try:
                if interrupted is not None:
                    self.on_interrupt()
                    interrupted = None
                reading = True
                message = self.reader.read()
                reading = False
                if message is None or self._take(message, asker) is Then.LEAVE:
                    return
            except ChatError as exc:
                if reading:
                    raise
                self.state.tell(f"Error: {exc}")
            except KeyboardInterrupt as exc:
                interrupted = exc
                if reading and not self.state.has_just_answered:
                    self.on_interrupt()
                    return
                self.state.tell(HOW_TO_LEAVE if reading else "(stopped)")
            if not reading:
                self.state.answered_at = time.monotonic()

    def _asker(self) -> Asker:
        return Asker(
            state=self.state,
            stdout=self.stdout,
            color=self.color,
            why_gone=self.why_gone,
            terminal=self.terminal,
        )

    def _take(self, message: Message, asker: Asker) -> Then:
        """Run the command in *message*, or answer it."""
        text = message.text if message.fenced else message.text.strip()
        found = None if message.fenced else find_command(text)
        then = found[0].run(self.state, found[1]) if found else Then.GO_ON
        if then is Then.ASK_AGAIN:
            asker.ask(self._last_question())
        elif found is None and text.strip():
            literal = not message.fenced and text.startswith("//") and "\n" not in text
            asker.ask(self._question(text[1:] if literal else message.text))
        return then

    def _question(self, text: str) -> Question:
        attached, self.state.attachments = self.state.attachments, Attachments()
        return Question(attached.with_prompt(text), attached.images)

    def _last_question(self) -> Question:
        """Return the unanswered question, or remove the last exchange and return its question."""
        if self.state.unanswered is not None:
            return self.state.unanswered
        exchange = self.state.session.conversation.undo()
        return Question("") if exchange is None else Question(exchange.prompt, exchange.images)
