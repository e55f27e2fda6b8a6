"""A conversation with one model: send prompts, stream the answers."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from io import StringIO
from typing import TYPE_CHECKING

from ramalama_chat.client._openai import openai
from ramalama_chat.client.failures import chat_errors
from ramalama_chat.errors import ChatError, ServerGone
from ramalama_chat.session.conversation import Conversation
from ramalama_chat.session.stream import Delta, open_stream, read_deltas

if TYPE_CHECKING:
    from ramalama_chat.client.abilities import Abilities
    from ramalama_chat.client.context_size import ContextSize
    from ramalama_chat.session.ending import Usage
    from ramalama_chat.session.knowledge import Finding, Knowledge, Source
    from ramalama_chat.session.tool_loop import ToolLoop


_LONG = 2000  # characters; a shorter prompt is processed before its progress can be read
LOADING = "Loading the model …"


def _ignore(*_: object) -> None:
    pass


class ChatSession:
    """A conversation with the model that the server of *client* calls *model*.

    For *system* and *opening*, see `Conversation`. *stop* are texts at which an answer ends.

    A session answers one prompt at a time. For two conversations at once, open two sessions; they
    may share a client.
    """

    knowledge: "Knowledge | None" = None
    """What is looked up for each prompt; the conversation keeps the prompt as it was asked."""
    looks_up: bool = True
    """Whether `knowledge` is used."""
    finding: "Finding | None" = None
    """What was found for the last prompt; None if nothing was looked up."""
    _room: int | None = None  # tokens of the context, for `knowledge`
    _room_asked: bool = False  # once: a server that does not say would be waited for
    _answer: str = ""

    def __init__(
        self,
        client: openai.OpenAI,
        *,
        model: str,
        system: str | None = None,
        opening: Sequence[tuple[str, str]] = (),
        stop: Sequence[str] = (),
    ) -> None:
        self._client = client
        self._model = model
        self.conversation = Conversation(system=system, opening=opening)
        self.parameters: dict[str, object] = {"stop": list(stop)} if stop else {}
        """Additional members of each request, such as "temperature" and "max_tokens"."""
        self.tools: ToolLoop | None = None
        """The tools that the model may call; their results are not kept in the conversation."""
        self.context_option: str | None = None
        """The option with which the user starts the server to set the size of its context."""
        self.counting = False
        """Whether to ask the server for token counts, which set `usage`."""
        self.finish_reason: str | None = None
        """Why the last answer ended: "stop", or "length" at a limit; None if it was interrupted."""
        self.is_empty = True
        """Whether the last answer has no text but white space."""
        self.has_reasoned = False
        """Whether the last answer has reasoning."""
        self.usage: Usage | None = None
        """The tokens and times of the last answer; None if the server did not count."""
        self.repeats = False
        """Whether to send a request once more if the connection is lost before the answer comes."""
        self.on_repeat: Callable[[], None] = _ignore
        """Called before a request is sent once more."""
        self.shows_progress = False
        """Whether to ask for the progress of long prompts, if the server is one that knows it."""
        self.on_wait: Callable[[str], None] = _ignore
        """Told in a few words what is waited for, and "" once the first word comes."""
        self._reports_progress: bool | None = None  # None: the server was not asked
        self._waits = False  # whether `on_wait` was told of something

    @property
    def model(self) -> str:
        """The model's name on the server."""
        return self._model

    def ask(
        self,
        prompt: str,
        *,
        images: Sequence[str] = (),
        on_reasoning: Callable[[str], None] | None = None,
    ) -> Generator[str, None, None]:
        """Send *prompt* and yield the answer's text as it comes, unfiltered (see ControlFilter).

        *images* are sent with it, as data URLs; the model must be able to read images.

        Closing the generator stops the server, too, and so does an exception that passes through
        it, such as KeyboardInterrupt; the part of the answer that arrived stays in the
        conversation. After a ChatError the conversation is unchanged.

        A model's reasoning goes to *on_reasoning*; it is part of neither the answer nor the
        conversation.

        Raises:
            ServerGone: the server cannot be reached, or it stopped in the middle of its answer.
            RequestFailed: the server refused the request, for example because the context is too
            small.
            ChatError: the server sent something that is not a chat answer.

        """
        self.is_empty, self.has_reasoned = True, False
        heard = StringIO()  # takes less memory than a list of short texts
        try:
            with closing(self._deltas(self._look_up(prompt), images)) as deltas:
                for delta in deltas:
                    if delta.reasoning and on_reasoning is not None:
                        on_reasoning(delta.reasoning)
                    if delta.text:
                        heard.write(delta.text)
                        yield delta.text
        except ChatError:
            heard = StringIO()
            raise
        finally:
            self._record(prompt, heard.getvalue(), images)

    def _record(self, prompt: str, answer: str, images: Sequence[str]) -> None:
        self._answer = answer
        self.conversation.record(prompt, answer, images)

    def clear(self) -> None:
        """Forget the conversation, but keep the system prompt."""
        self.conversation.clear()

    def cited(self) -> "Sequence[tuple[int, Source]]":
        """Return the sources that the last answer cites, with their numbers."""
        if self.finding is None or not self.finding.sources:
            return ()
        from ramalama_chat.session.citations import (  # noqa: PLC0415 - only with sources
            cited_sources,
        )

        return cited_sources(self._answer, self.finding.sources)

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

    def _look_up(self, prompt: str) -> str:
        """Set `finding`, and return what is sent instead of *prompt*."""
        self.finding = None
        if self.knowledge is None or not self.looks_up:
            return prompt
        if not self._room_asked:
            self._room, self._room_asked = self.context_size(), True
        earlier = [exchange.prompt for exchange in self.conversation.exchanges]
        self.finding = self.knowledge.look_up(prompt, earlier, self._room)
        return self.finding.prompt

    def _deltas(self, prompt: str, images: Sequence[str]) -> Generator[Delta, None, None]:
        turns = self.conversation.messages(prompt, images)
        if self.tools is None:
            return self._request(turns, {})
        return self.tools.answer(turns, self._request)

    def _request(
        self, turns: Sequence[Mapping[str, object]], members: Mapping[str, object]
    ) -> Generator[Delta, None, None]:
        came = False
        try:
            for delta in self._request_once(turns, members):
                came = came or bool(delta.text or delta.reasoning or delta.tool_calls)
                yield delta
        except ServerGone:
            if came or not self.repeats:
                raise
            self.on_repeat()
            yield from self._request_once(turns, members)

    def _request_once(
        self, turns: Sequence[Mapping[str, object]], members: Mapping[str, object]
    ) -> Generator[Delta, None, None]:
        self.finish_reason = self.usage = None
        try:
            with chat_errors(), closing(self._open(turns, members)) as events:
                for delta in read_deltas(events):
                    self._note(delta)
                    yield delta
        finally:
            self._wait_for("")
        if self.finish_reason is None:
            msg = "the model server stopped in the middle of its answer"
            raise ServerGone(msg)

    def _open(
        self, turns: Sequence[Mapping[str, object]], members: Mapping[str, object]
    ) -> Generator[object, None, None]:
        counting = {"stream_options": {"include_usage": True}} if self.counting else {}
        progress = {"return_progress": True} if self._wants_progress(turns) else {}
        return open_stream(
            self._client,
            model=self._model,
            messages=turns,
            extra={**self.parameters, **counting, **progress, **members},
            on_loading=lambda: self._wait_for(LOADING),
        )

    def _wants_progress(self, turns: Sequence[Mapping[str, object]]) -> bool:
        """Return whether the turns are long and the server reports progress; ask it that once."""
        if not self.shows_progress:
            return False
        length = sum(len(str(turn.get("content"))) for turn in turns)
        if length >= _LONG and self._reports_progress is None:
            self._reports_progress = self.abilities().reports_progress
        return length >= _LONG and self._reports_progress is True

    def _note(self, delta: Delta) -> None:
        self.finish_reason = delta.finish_reason or self.finish_reason
        self.usage = delta.usage or self.usage
        self.has_reasoned = self.has_reasoned or bool(delta.reasoning)
        self.is_empty = self.is_empty and not delta.text.strip()
        if delta.progress is not None:
            self._wait_for(f"Processing the prompt: {delta.progress:.0%}")
        elif delta.text or delta.reasoning or delta.tool_calls:
            self._wait_for("")

    def _wait_for(self, words: str) -> None:
        if words or self._waits:
            self._waits = bool(words)
            self.on_wait(words)
