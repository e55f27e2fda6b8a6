"""One prompt and its answer, without any I/O: what is sent, and what is made of what comes.

A session of either color drives it: it sends each of the `request`s, hands the pieces of the body
to `feed`, then calls `end`, makes the `calls` and hands their results to `add`, until there are no
more of them.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from ramalama_chat.errors import AnswerTimedOut, ChatError, ContextExceeded, ServerGone
from ramalama_chat.session.question import Question
from ramalama_chat.session.stream import Delta, DeltaReader

if TYPE_CHECKING:
    from ramalama_chat.session.ending import Usage
    from ramalama_chat.session.tool_loop import Rounds, ToolLoop
    from ramalama_chat.tools.calls import ToolCall


class Session(Protocol):
    """The part of a session that a turn needs."""

    on_wait: Callable[[str], None]

    def claim(self) -> None:
        """Reserve the session for one answer."""
        ...

    def release(self, question: Question, answer: str) -> None:
        """Record the *answer*, "" if there is none, and be free for the next."""
        ...


class Turn:
    """The state of one answer; see the module's docstring."""

    def __init__(self, session: Session, question: Question) -> None:
        self.question = question
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.is_empty = True
        self.has_reasoned = False
        self.ended = False
        self.asks = True
        """Whether there is a request to send."""
        self.calls: Sequence[ToolCall] = ()
        """The calls of tools whose results the next request needs."""
        self._session = session
        self._has_session = False
        # Takes less memory than a list of short texts. A StringIO could be closed already when the
        # garbage collector ends a forgotten answer.
        self._heard = bytearray()
        self._reader = DeltaReader()
        self._messages: Sequence[Mapping[str, object]] = ()
        self._members: Mapping[str, object] = {}
        self._rounds: Rounds | None = None
        self._deadline: float | None = None
        self._came = False  # whether a part of the answer to the present request
        self._accepted = self._repeated = False
        self._waits = False  # whether `on_wait` was told of something

    @property
    def text(self) -> str:
        """The text that came."""
        return self._heard.decode(errors="surrogatepass")

    @contextmanager
    def answering(self) -> Generator[None]:
        """Claim the session for this answer, and record the answer at the end of the block.

        Raises:
            SessionBusy: it answers another prompt.

        """
        self._session.claim()
        self._has_session = True
        if self.question.timeout is not None:
            self._deadline = time.monotonic() + self.question.timeout
        try:
            yield
        except ChatError as exc:
            self.leave(failed=True)
            explained = self._explain(exc)
            if explained is exc:
                raise
            raise explained from exc
        finally:
            self.leave()

    def leave(self, *, failed: bool = False) -> None:
        """Record the answer, unless it has *failed*, and release the session; only once."""
        if self._has_session:
            self.ended, self._has_session = True, False
            self._session.release(self.question, "" if failed else self.text)

    def ask(
        self,
        messages: Sequence[Mapping[str, object]],
        members: Mapping[str, object],
        tools: "ToolLoop | None",
    ) -> None:
        """Set what is asked: *members* are additional ones of each request."""
        self._messages, self._members = messages, members
        if tools is not None:
            from ramalama_chat.session.tool_loop import Rounds  # noqa: PLC0415 - most have none

            self._rounds = Rounds(messages, tools)

    def request(self) -> dict[str, object]:
        """Begin a request, and return its body."""
        self.finish_reason = self.usage = None
        self._came, self.calls = False, ()
        self._reader = DeltaReader()
        if self._rounds is None:
            return {**self._members, "messages": list(self._messages), "stream": True}
        offered = self._rounds.begin()
        return {**self._members, **offered, "messages": self._rounds.turns, "stream": True}

    def accept(self) -> Sequence[str]:
        """Note that the server has accepted a request; return an empty text for the first."""
        first, self._accepted = not self._accepted, True
        return [""] if first else []

    def may_repeat(self) -> bool:
        """Return whether to send a request again that was lost before the answer came: once."""
        may, self._repeated = not (self._came or self._repeated), True
        return may

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yield the texts that *piece* of the body completes."""
        if self._deadline is not None and self.left() == 0:
            raise self.timed_out()
        return self._texts(self._reader.feed(piece))

    @property
    def complete(self) -> bool:
        """Whether the body has been read up to its last event."""
        return self._reader.done

    def end(self) -> Iterator[str]:
        """Yield what was left when the body ended, and set `calls`.

        Raises:
            ServerGone: the answer is not complete.

        """
        yield from self._texts(self._reader.end())
        if self.finish_reason is None:
            msg = "the model server stopped in the middle of its answer"
            raise ServerGone(msg)
        self._repeated = False
        if self._rounds is not None:
            self.calls, line_end = self._rounds.end()
            yield from self._texts([line_end])
        self.asks = bool(self.calls)

    def add(self, call: "ToolCall", result: str) -> None:
        """Add the *result* of one of `calls` for the next request."""
        if self._rounds is not None:
            self._rounds.add(call, result)

    def left(self) -> float | None:
        """Return how many seconds are left, 0 if the time is over; None without a limit."""
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)

    def timed_out(self) -> AnswerTimedOut:
        """Return the error of an answer that is late."""
        return AnswerTimedOut(f"the answer is not complete after {self.question.timeout:g} seconds")

    def wait_for(self, words: str) -> None:
        """Tell what is waited for; "" if nothing is."""
        if words or self._waits:
            self._waits = bool(words)
            self._session.on_wait(words)

    def _texts(self, deltas: Iterable[Delta]) -> Iterator[str]:
        for delta in deltas:
            self._note(delta)
            if delta.text:
                self._heard += delta.text.encode(errors="surrogatepass")
                yield delta.text

    def _note(self, delta: Delta) -> None:
        came = bool(delta.text or delta.reasoning or delta.tool_calls)
        self._came = self._came or came
        self.finish_reason = delta.finish_reason or self.finish_reason
        self.usage = delta.usage or self.usage
        self.is_empty = self.is_empty and not delta.text.strip()
        if self._rounds is not None:
            self._rounds.feed(delta)
        if delta.progress is not None:
            self.wait_for(f"Processing the prompt: {delta.progress:.0%}")
        elif came:
            self.wait_for("")
        if delta.reasoning:
            self.has_reasoned = True
            if self.question.on_reasoning is not None:
                self.question.on_reasoning(delta.reasoning)

    def _explain(self, exc: ChatError) -> ChatError:
        """Return the error to raise for *exc*."""
        if self.left() == 0 and not isinstance(exc, AnswerTimedOut):
            return self.timed_out()
        if isinstance(exc, ContextExceeded) and self._rounds is not None and self._rounds.count:
            # Not retried with a shorter conversation: tools must not run twice.
            return ChatError(f"the results of the tools do not fit: {exc}")
        return exc
