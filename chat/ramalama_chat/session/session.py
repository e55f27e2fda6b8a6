"""A conversation with one model: send prompts, stream the answers."""

import os
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING, TypeVar, overload

from ramalama_chat.client._openai import openai
from ramalama_chat.client.failures import answer_errors
from ramalama_chat.errors import ServerGone, SessionBusy
from ramalama_chat.session.answer import Answer
from ramalama_chat.session.conversation import Conversation
from ramalama_chat.session.question import AskOptions, Question, read_question
from ramalama_chat.session.stream import open_stream
from ramalama_chat.session.turn import Turn
from ramalama_values.json import is_array

if TYPE_CHECKING:
    from typing import Unpack

    import httpx2

    from ramalama_chat.client.abilities import Abilities
    from ramalama_chat.client.context_size import ContextSize
    from ramalama_chat.session.ending import Usage
    from ramalama_chat.session.knowledge import Finding, Knowledge, Source
    from ramalama_chat.session.tool_loop import ToolLoop

T = TypeVar("T")

_LONG = 2000  # characters; a shorter prompt is processed before its progress can be read
LOADING = "Loading the model …"


def _ignore(*_: object) -> None:
    pass


class BaseSession:
    """What a conversation is in either color; it sends nothing.

    For *system* and *opening*, see `Conversation`. *stop* are texts at which an answer ends.
    """

    knowledge: "Knowledge | None" = None
    """What is looked up for each prompt; the conversation keeps the prompt as it was asked."""
    looks_up: bool = True
    """Whether `knowledge` is used."""
    finding: "Finding | None" = None
    """What was found for the last prompt; None if nothing was looked up."""
    _room: int | None = None  # tokens of the context, for `knowledge`
    _room_asked: bool = False  # once: a server that does not say would be waited for
    _turn: Turn | None = None  # the last one that has begun

    def __init__(
        self,
        *,
        model: str,
        system: str | None = None,
        opening: Sequence[tuple[str, str]] = (),
        stop: Sequence[str] = (),
    ) -> None:
        self._model = model
        self._claim, self._claimer = threading.Lock(), os.getpid()
        self.conversation = Conversation(system=system, opening=opening)
        self.parameters: dict[str, object] = {"stop": list(stop)} if stop else {}
        """Additional members of each request, such as "temperature" and "max_tokens"."""
        self.tools: ToolLoop | None = None
        """The tools that the model may call; their results are not kept in the conversation."""
        self.counting = True
        """Whether to ask the server for token counts, which set `usage`."""
        self.repeats = False
        """Whether to send a request once more if the connection is lost before the answer comes."""
        self.on_repeat: Callable[[], None] = _ignore
        """Called before a request is sent once more."""
        self.on_wait: Callable[[str], None] = _ignore
        """Told in a few words what is waited for, and "" once the first word comes."""

    def __repr__(self) -> str:
        turns = len(self.conversation.exchanges)
        return f"<{type(self).__name__} with {self._model}, {turns} exchanges>"

    @property
    def model(self) -> str:
        """The model's name on the server."""
        return self._model

    @property
    def finish_reason(self) -> str | None:
        """Why the last answer ended: "stop", or "length" at a limit; None if it was interrupted."""
        return self._turn.finish_reason if self._turn else None

    @property
    def is_empty(self) -> bool:
        """Whether the last answer has no text but white space."""
        return self._turn.is_empty if self._turn else True

    @property
    def has_reasoned(self) -> bool:
        """Whether the last answer has reasoning."""
        return self._turn.has_reasoned if self._turn else False

    @property
    def usage(self) -> "Usage | None":
        """The tokens and times of the last answer; None if the server did not count."""
        return self._turn.usage if self._turn else None

    def clear(self) -> None:
        """Forget the conversation, but keep the system prompt."""
        self.conversation.clear()

    def cited(self) -> "Sequence[tuple[int, Source]]":
        """Return the sources that the last answer cites, with their numbers."""
        if self.finding is None or not self.finding.sources or self._turn is None:
            return ()
        from ramalama_chat.session.citations import (  # noqa: PLC0415 - only with sources
            cited_sources,
        )

        return cited_sources(self._turn.text, self.finding.sources)

    def claim(self) -> None:
        """Reserve the session for one answer; see `Turn.answering`.

        Raises:
            SessionBusy: it answers another prompt.

        """
        if self._claimer != os.getpid():  # the answer goes on in another process
            self._claim, self._claimer = threading.Lock(), os.getpid()
        if not self._claim.acquire(blocking=False):
            raise _busy()

    def release(self, question: Question, answer: str) -> None:
        """Record the *answer*, "" if there is none, and be free for the next."""
        try:
            self.conversation.record(question.prompt, answer, question.images)
        finally:
            self._claim.release()

    def _ask(self, question: Question) -> Turn:
        """Return the turn of *question*, which has not begun.

        Raises:
            SessionBusy: the session answers another prompt.

        """
        if self._claim.locked() and self._claimer == os.getpid():
            raise _busy()
        return Turn(self, question)

    def _members(self, question: Question) -> dict[str, object]:
        """Return the members of each request of *question*."""
        counting = {"stream_options": {"include_usage": True}} if self.counting else {}
        members = {"model": self._model, **self.parameters, **counting, **question.members}
        if question.stop:
            own = members.get("stop", ())
            members["stop"] = [*(own if is_array(own) else ()), *question.stop]
        return members

    def _earlier(self) -> list[str]:
        return [exchange.prompt for exchange in self.conversation.exchanges]


def _busy() -> SessionBusy:
    msg = "the conversation already answers another prompt"
    return SessionBusy(msg, hint="read or close that answer first, or begin another conversation")


class ChatSession(BaseSession):
    """A conversation with the model that the server of *client* calls *model*.

    For *system* and *opening*, see `Conversation`. *stop* are texts at which an answer ends.

    A session answers one prompt at a time. For two conversations at once, open two sessions; they
    may share a client.
    """

    def __init__(
        self,
        client: openai.OpenAI,
        *,
        model: str,
        system: str | None = None,
        opening: Sequence[tuple[str, str]] = (),
        stop: Sequence[str] = (),
    ) -> None:
        super().__init__(model=model, system=system, opening=opening, stop=stop)
        self._client = client
        self.context_option: str | None = None
        """The option with which the user starts the server to set the size of its context."""
        self.shows_progress = False
        """Whether to ask for the progress of long prompts, if the server is one that knows it."""
        self._reports_progress: bool | None = None  # None: the server was not asked

    @overload
    def ask(
        self, prompt: str, *, schema: None = None, **options: "Unpack[AskOptions]"
    ) -> Answer[None]: ...

    @overload
    def ask(
        self, prompt: str, *, schema: type[T], **options: "Unpack[AskOptions]"
    ) -> Answer[T]: ...

    @overload
    def ask(
        self, prompt: str, *, schema: Mapping[str, object], **options: "Unpack[AskOptions]"
    ) -> Answer[object]: ...

    def ask(  # noqa: PLR0913 - all of them are asked for one answer, most by few
        self,
        prompt: str,
        *,
        images: Sequence[str] = (),
        on_reasoning: Callable[[str], None] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        timeout: float | None = None,
        stop: str | Sequence[str] | None = None,
        schema: type[object] | Mapping[str, object] | None = None,
        tools: Sequence[Callable[..., object]] | None = None,
    ) -> Answer[object]:
        """Send *prompt* and yield the answer's text as it comes, unfiltered (see ControlFilter).

        *images* are sent with it, as data URLs. The model writes at most *max_tokens*, and ends
        before a text of *stop*. *timeout* is in seconds, for the whole answer. *schema* is a class
        that pydantic knows, or a JSON schema: the answer follows it, and `Answer.parsed` is its
        value. *tools* are functions that the model may call without asking.

        Closing the answer stops the server, too, and so does an exception that passes through it;
        what came stays in the conversation. After a ChatError the conversation is unchanged. A
        model's reasoning goes to *on_reasoning*; it is no part of answer and conversation.

        Raises:
            InputRefused, SessionBusy: at once: a value is not valid, or another answer still comes.
            ServerGone: the server cannot be reached, or it stopped in the middle of its answer.
            RequestFailed: the server refused, for example because the context is too small.
            AnswerTimedOut: the answer is not complete within *timeout*.
            ChatError: the server sent something that is not a chat answer.

        """
        options = AskOptions(
            max_tokens=max_tokens, temperature=temperature, timeout=timeout, stop=stop
        )
        options.update(AskOptions(images=images, on_reasoning=on_reasoning, tools=tools))
        question = read_question(prompt, schema, **options)
        turn = self._ask(question)
        return Answer(turn, self._pieces(turn))

    def context_size(self) -> int | None:
        """Ask the server how many tokens its context holds; None if it does not say."""
        return self._ask_context().holds

    def larger_context(self, needed: int | None = None) -> str:
        """Return what helps if *needed* tokens do not fit, or if the context just became full."""
        return self._ask_context().remedy(self.context_option, needed)

    def _ask_context(self) -> "ContextSize":
        from ramalama_chat.client.context_size import (  # noqa: PLC0415 - rarely needed
            ask_context_size,
        )

        return ask_context_size(self._client, self._model)

    def abilities(self) -> "Abilities":
        """Ask the server what the model is able to do."""
        from ramalama_chat.client.abilities import ask_abilities  # noqa: PLC0415 - rarely needed

        return ask_abilities(self._client, self._model)

    def _pieces(self, turn: Turn) -> Generator[str, None, None]:
        """Yield "" once the server has accepted the first request, then the texts."""
        with turn.answering():
            self._turn = turn
            question = turn.question
            sent = self._look_up(question.prompt)
            messages = self.conversation.messages(sent, question.images)
            members = {**self._members(question), **self._progress(messages)}
            turn.ask(messages, members, tools := question.tools or self.tools)
            while turn.asks:
                try:
                    yield from self._request(turn)
                except ServerGone:
                    if not (self.repeats and turn.may_repeat()):
                        raise
                    self.on_repeat()
                for call in turn.calls:
                    turn.add(call, tools.result(call) if tools else "")

    def _look_up(self, prompt: str) -> str:
        """Set `finding`, and return what is sent instead of *prompt*."""
        self.finding = None
        if self.knowledge is None or not self.looks_up:
            return prompt
        if not self._room_asked:
            self._room, self._room_asked = self.context_size(), True
        self.finding = self.knowledge.look_up(prompt, self._earlier(), self._room)
        return self.finding.prompt

    def _request(self, turn: Turn) -> Generator[str, None, None]:
        try:
            with answer_errors():
                response = open_stream(
                    self._client,
                    turn.request(),
                    on_loading=lambda: turn.wait_for(LOADING),
                    limit=turn.left(),
                )
            with _ending(response, turn.left()), closing(_received(response)) as pieces:
                yield from turn.accept()
                for piece in pieces:
                    yield from turn.feed(piece)
                    if turn.complete:
                        break
            yield from turn.end()
        finally:
            turn.wait_for("")

    def _progress(self, turns: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """Ask for progress if the turns are long and the server reports it; ask it that once."""
        if not self.shows_progress:
            return {}
        length = sum(len(str(turn.get("content"))) for turn in turns)
        if length >= _LONG and self._reports_progress is None:
            self._reports_progress = self.abilities().reports_progress
        return {"return_progress": True} if length >= _LONG and self._reports_progress else {}


def _ending(response: "httpx2.Response", left: float | None) -> AbstractContextManager[None]:
    """Return a block that breaks the connection when no time is *left*."""
    if left is None:
        return nullcontext()
    from ramalama_chat.session.cut_off import cut_off  # noqa: PLC0415 - only with a limit

    return cut_off(response, left)


def _received(response: "httpx2.Response") -> Generator[bytes, None, None]:
    with answer_errors(), closing(response):
        yield from response.iter_raw()
