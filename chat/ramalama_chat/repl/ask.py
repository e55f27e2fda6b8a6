"""One question of a prompt loop: its answer, what went wrong, and what is to be told of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from ramalama_chat.errors import ChatError, ContextExceeded, ServerGone
from ramalama_chat.output.answer import write_answer
from ramalama_chat.output.reasoning import ReasoningWriter
from ramalama_chat.repl.context_window import ask_within_context
from ramalama_chat.repl.state import ChatState, Question
from ramalama_chat.session.conversation import Exchange

_TIGHT = 0.8  # of the context


@dataclass(slots=True, kw_only=True)
class Asker:
    """Asks, and shows the answer on *stdout*, in colour or not.

    *why_gone* says why there is nobody to talk to any more, None if there may still be.
    """

    state: ChatState
    stdout: TextIO
    color: bool
    why_gone: Callable[[], Exception | None]
    _context: int | None = field(default=None, init=False)
    _context_asked: bool = field(default=False, init=False)

    def ask(self, question: Question) -> None:
        """Show the answer to *question*.

        Raises:
            ChatError: there is none; /retry asks again.
            Exception: there is nobody left to talk to, which is what *why_gone* says.

        """
        state, before = self.state, self._last_exchange()
        state.unanswered = question
        state.talk.counting = True
        try:
            self._show(question)
        except ServerGone as exc:
            if cause := self.why_gone():
                raise cause from exc
            msg = f"{exc} (/retry asks again)"
            raise ChatError(msg) from exc
        except ContextExceeded as exc:
            msg = f"{exc}; what you wrote is too long by itself"
            raise ChatError(msg) from exc
        finally:
            if self._last_exchange() is not before:
                state.unanswered = None
        self._tell_the_end()

    def _show(self, question: Question) -> None:
        state = self.state
        reasoning = ReasoningWriter(state.stderr, color=self.color)
        pieces = ask_within_context(
            state.talk,
            question.prompt,
            images=question.images,
            on_reasoning=reasoning.write if state.think else None,
            on_dropped=lambda count: state.tell(_dropped(count)),
        )
        write_answer(reasoning.before(pieces), self.stdout, color=self.color)

    def _tell_the_end(self) -> None:
        state, usage = self.state, self.state.talk.usage
        context = self._context_size()
        if state.talk.finish_reason == "length":
            most = state.talk.parameters.get("max_tokens")
            by_limit = usage is not None and usage.completion_tokens == most
            why = f"after {most} tokens, see /set max_tokens" if by_limit else "the context is full"
            state.tell(f"(cut off: {why})")
        if usage is None:
            return
        if state.stats:
            state.tell(f"({usage.describe(context)})")
        elif context and usage.total_tokens >= _TIGHT * context:
            state.tell(
                f"(context: {usage.total_tokens} of {context} tokens are used;"
                " when it is full, the oldest turns are forgotten)"
            )

    def _last_exchange(self) -> Exchange | None:
        return next(reversed(self.state.talk.conversation.exchanges), None)

    def _context_size(self) -> int | None:
        if not self._context_asked and self.state.talk.usage is not None:
            self._context_asked = True  # once: a server that does not say would be waited for
            self._context = self.state.talk.context_size()
        return self._context


def _dropped(count: int) -> str:
    what = "exchange is" if count == 1 else f"{count} exchanges are"
    return f"(the model's context is full: the oldest {what} forgotten)"
