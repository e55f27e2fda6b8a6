"""A talk with one model: prompts in, streamed answers out."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing

from ramalama_chat._openai import openai
from ramalama_chat._stream import Delta, chat_errors, open_stream, read_delta
from ramalama_chat.conversation import Conversation
from ramalama_chat.errors import ChatError, ServerGone


class ChatSession:
    """A conversation with the model that the server behind *client* calls *model*.

    *system* and *opening*: see `Conversation`. *stop* are texts at which an answer ends.

    One answer at a time; for two talks at once, open two sessions, on the same client if you like.
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
        self._client = client
        self._model = model
        self._stop = tuple(stop)
        self.conversation = Conversation(system=system, opening=opening)
        self.finish_reason: str | None = None
        """Why the last answer ended: "stop", "length" where the context was full; None if cut."""

    def ask(
        self, prompt: str, *, on_reasoning: Callable[[str], None] | None = None
    ) -> Generator[str, None, None]:
        """Ask *prompt* and yield the answer's text as it comes, unfiltered (see ControlFilter).

        Closing the generator stops the server too, and so does an exception that passes through
        it, such as KeyboardInterrupt; what was heard until then stays in the conversation. After
        a ChatError the conversation is what it was before.

        What a reasoning model thinks aloud before its answer goes to *on_reasoning*, and neither
        into the answer nor into the conversation.

        Raises:
            ServerGone: it cannot be reached, or vanished in the middle of its answer.
            RequestFailed: it refused, for one because the context is too small.
            ChatError: it sent something that is not a chat answer.

        """
        heard: list[str] = []
        try:
            with closing(self._deltas(prompt)) as deltas:
                for delta in deltas:
                    if delta.reasoning and on_reasoning is not None:
                        on_reasoning(delta.reasoning)
                    if delta.text:
                        heard.append(delta.text)
                        yield delta.text
        except ChatError:
            heard.clear()
            raise
        finally:
            self.conversation.record(prompt, "".join(heard))

    def clear(self) -> None:
        """Forget what was said."""
        self.conversation.clear()

    def _deltas(self, prompt: str) -> Generator[Delta, None, None]:
        self.finish_reason = None
        messages = self.conversation.messages(prompt)
        with (
            chat_errors(),
            open_stream(
                self._client, model=self._model, messages=messages, stop=self._stop
            ) as stream,
        ):
            for event in stream:
                delta = read_delta(event)
                self.finish_reason = delta.finish_reason or self.finish_reason
                yield delta
        if self.finish_reason is None:
            msg = "the model server stopped in the middle of its answer"
            raise ServerGone(msg)
