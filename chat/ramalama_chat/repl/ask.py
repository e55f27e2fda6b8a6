"""One question of a prompt loop: show its answer, handle its errors, report how it ended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from ramalama_chat.errors import ChatError, ContextExceeded, ServerGone
from ramalama_chat.output.answer import ReasoningWriter, write_answer
from ramalama_chat.output.terminal import AnswerTerminal
from ramalama_chat.repl.context_window import ask_within_context
from ramalama_chat.repl.state import ChatState, Question
from ramalama_chat.session.citations import describe_sources
from ramalama_chat.session.conversation import Exchange
from ramalama_chat.session.ending import Remedies, describe_end

_NEARLY_FULL = 0.8  # of the context
_REMEDIES = Remedies(
    limit="/set max_tokens raises the limit",
    reasoning="/think off lets it answer at once",
)


@dataclass(slots=True, kw_only=True)
class Asker:
    """Asks the model, and shows the answer on *stdout*, in color if *color* is set.

    *terminal* is that of *stdout*; None if it is none, or a dumb one.

    *why_gone* returns the error that explains why the server has ended, or None if it may still
    run.
    """

    state: ChatState
    stdout: TextIO
    color: bool
    why_gone: Callable[[], Exception | None]
    terminal: AnswerTerminal | None = None
    _context: int | None = field(default=None, init=False)
    _context_asked: bool = field(default=False, init=False)

    def ask(self, question: Question) -> None:
        """Show the answer to *question*.

        Raises:
            ChatError: the request failed; /retry asks again.
            Exception: the server has ended; this is what *why_gone* returned.

        """
        state, before = self.state, self._last_exchange()
        state.unanswered = question
        state.session.counting = True
        try:
            self._show(question)
        except ServerGone as exc:
            if cause := self.why_gone():
                raise cause from exc
            msg = f"{exc} (/retry asks again)"
            raise ChatError(msg) from exc
        except ContextExceeded as exc:
            remedy = state.session.larger_context(exc.needed)
            msg = f"{exc}; your message alone is too long; {remedy}"
            raise ChatError(msg) from exc
        finally:
            if self._last_exchange() is not before:
                state.unanswered = None
        self._report_end()

    def _show(self, question: Question) -> None:
        state = self.state
        reasoning = ReasoningWriter(state.stderr, color=self.color, terminal=self.terminal)
        pieces = ask_within_context(
            state.session,
            question.prompt,
            images=question.images,
            on_reasoning=reasoning.write if state.think else None,
            on_dropped=lambda count: state.tell(_dropped(count)),
        )
        write_answer(
            reasoning.before(pieces), self.stdout, color=self.color, terminal=self.terminal
        )

    def _report_end(self) -> None:
        state, usage = self.state, self.state.session.usage
        context = self._context_size()
        if state.names_sources and (cited := state.session.cited()):
            state.tell(describe_sources(cited))
        if problem := describe_end(state.session, _REMEDIES):
            state.tell(f"({problem})")
        if usage is None:
            return
        if state.stats:
            state.tell(f"({usage.describe(context)})")
        elif context and usage.total_tokens >= _NEARLY_FULL * context:
            state.tell(
                f"(context: {usage.total_tokens} of {context} tokens are used;"
                " when it is full, the oldest turns are forgotten)"
            )

    def _last_exchange(self) -> Exchange | None:
        return next(reversed(self.state.session.conversation.exchanges), None)

    def _context_size(self) -> int | None:
        if not self._context_asked and self.state.session.usage is not None:
            self._context_asked = True  # once: a server that does not answer would be waited for
            self._context = self.state.session.context_size()
        return self._context


def _dropped(count: int) -> str:
    what = "exchange is" if count == 1 else f"{count} exchanges are"
    return f"(the model's context is full: the oldest {what} forgotten)"
