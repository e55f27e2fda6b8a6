"""The prompt loop: what a user types goes to the model, what it says comes back.

Answers, and nothing else, go to the output stream; prompts, notes and errors to the other one.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol, TextIO

from ramalama_chat.answer import write_answer
from ramalama_chat.errors import ChatError, ContextExceeded, ServerGone
from ramalama_chat.message import Message, read_message

CONTINUATION_PREFIX = "... "

_HELP = """\
/clear      forget what was said so far
/bye        leave (as do /exit, exit, quit and Ctrl-D)
/help, /?   this list
//...       send a line that begins with one slash
\\ at the end of a line goes on in the next; three quotes (\""") begin and end several lines.
Ctrl-C stops the answer; at the prompt it leaves."""

_LEAVE = frozenset({"/bye", "/exit", "exit", "quit"})
_HELP_WORDS = frozenset({"/help", "/?"})


class Talk(Protocol):
    """What the loop needs of a ChatSession."""

    @property
    def finish_reason(self) -> str | None:
        """Why the last answer ended; "length" where the context was full."""
        ...

    def ask(self, prompt: str) -> Generator[str, None, None]:
        """Yield the answer to *prompt* as it comes."""
        ...

    def clear(self) -> None:
        """Forget what was said."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Repl:
    """A prompt loop over three streams, which need not be a terminal's.

    *prefix* comes before each prompt; *color* is for the answers; *on_interrupt* is called when
    Ctrl-C goes no further than this: it stops an answer, or leaves.
    """

    talk: Talk
    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    prefix: str
    color: bool = False
    on_interrupt: Callable[[], None] = lambda: None

    def run(self) -> None:
        """Talk until the user leaves.

        Raises:
            ServerGone: there is nobody left to talk to. Any other failed request is told in a
                line, and the loop goes on.

        """
        while True:
            try:
                message = read_message(self._read_line)
            except KeyboardInterrupt:
                self.on_interrupt()
                message = None
            if message is None:
                self._tell("")  # the shell's prompt shall not stand behind ours
                return
            if not self._obey(message):
                return

    def _read_line(self, continued: bool) -> str:  # noqa: FBT001 - read_message calls it
        self.stderr.write(CONTINUATION_PREFIX if continued else self.prefix)
        self.stderr.flush()
        return self.stdin.readline()

    def _obey(self, message: Message) -> bool:
        """Do what *message* says; False if it says to leave."""
        text = message.text.strip()
        word = "" if message.fenced else text.lower()
        if not text:
            return True
        if word in _LEAVE:
            return False
        if word in _HELP_WORDS:
            self._tell(_HELP)
        elif word == "/clear":
            self.talk.clear()
            self._tell("The conversation starts anew.")
        elif word.startswith("/") and not word.startswith("//"):
            self._tell(f"There is no command {text.split()[0]}; /help lists them.")
        else:
            self._answer(message.text[1:] if word.startswith("//") else message.text)
        return True

    def _answer(self, prompt: str) -> None:
        try:
            write_answer(self.talk.ask(prompt), self.stdout, color=self.color)
        except KeyboardInterrupt:
            self.on_interrupt()
            self._tell("(stopped)")
        except ServerGone:
            raise
        except ContextExceeded as exc:
            self._tell(f"Error: {exc} (/clear forgets what was said so far)")
        except ChatError as exc:
            self._tell(f"Error: {exc}")
        else:
            if self.talk.finish_reason == "length":
                self._tell("(cut off: the model's context is full; /clear starts anew)")

    def _tell(self, note: str) -> None:
        print(note, file=self.stderr, flush=True)
