"""An answer while it comes, and what is known of it at its end."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar, cast

from ramalama_chat.session.turn import Turn

if TYPE_CHECKING:
    from ramalama_chat.session.ending import Usage

T_co = TypeVar("T_co", covariant=True)


class _Answer(Generic[T_co]):
    """What is known of an answer, in either color."""

    _turn: Turn
    _parsed: tuple[T_co, ...] = ()  # at most one

    @property
    def text(self) -> str:
        """The text that came so far."""
        return self._turn.text

    @property
    def usage(self) -> "Usage | None":
        """The tokens and times; None before the end, or if the server does not count."""
        return self._turn.usage

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ended: "stop", or "length" at a limit; None before the end."""
        return self._turn.finish_reason

    @property
    def parsed(self) -> T_co:
        """The value that the answer's text has by the schema; None if no schema was given.

        Raises:
            AnswerInvalid: the answer is not complete, or does not follow the schema.

        """
        if not self._parsed:
            schema = self._turn.question.schema
            complete = self._turn.ended and self.finish_reason is not None
            value = None if schema is None else schema.read(self.text, complete=complete)
            self._parsed = (cast("T_co", value),)
        return self._parsed[0]

    def __repr__(self) -> str:
        state = self.finish_reason or ("interrupted" if self._turn.ended else "coming")
        return f"<{type(self).__name__} {len(self.text)} characters, {state}>"


class Answer(_Answer[T_co], Generator[str, None, None]):
    """The pieces of an answer's text, as they come; a generator, and a context manager.

    Nothing is sent before the first piece is asked for, or `begin` is called. `close`, the end of
    the block and an exception in it stop the server, too.
    """

    def __init__(self, turn: Turn, pieces: Generator[str, None, None]) -> None:
        """Take *pieces*, of which the first, an empty one, says that the server has accepted."""
        self._turn = turn
        self._pieces = pieces
        self._has_begun = False

    def begin(self) -> Self:
        """Send the request, and return once the server has begun its answer.

        So a refusal, such as `ContextExceeded`, is known before the first word.
        """
        if not self._has_begun:
            self._has_begun = True
            next(self._pieces, "")
        return self

    def read(self) -> str:
        """Wait for the whole answer, and return its text."""
        for _ in self:
            pass
        return self.text

    def __next__(self) -> str:
        if not self._has_begun:
            self.begin()
        return next(self._pieces)

    def send(self, _value: None, /) -> str:
        """Do the same as `next`."""
        return next(self)

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: object = None,
        _trace: TracebackType | None = None,
        /,
    ) -> str:
        """Raise an exception where the answer is waited for; see `Generator`."""
        return self._pieces.throw(value if isinstance(value, BaseException) else kind)

    def close(self) -> None:
        """Stop the server; the part of the answer that came stays in the conversation."""
        self._pieces.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class AsyncAnswer(_Answer[T_co], AsyncIterator[str]):
    """The same as `Answer`, for ``async for`` and ``async with``.

    Cancelling the task that waits for it stops the server, too.
    """

    def __init__(self, turn: Turn, pieces: AsyncGenerator[str, None]) -> None:
        """See `Answer`."""
        self._turn = turn
        self._pieces = pieces
        self._has_begun = False

    async def begin(self) -> Self:
        """Send the request, and return once the server has begun its answer."""
        if not self._has_begun:
            self._has_begun = True
            await anext(self._pieces, "")
        return self

    async def read(self) -> str:
        """Wait for the whole answer, and return its text."""
        async for _ in self:
            pass
        return self.text

    async def __anext__(self) -> str:
        if not self._has_begun:
            await self.begin()
        return await anext(self._pieces)

    async def aclose(self) -> None:
        """Stop the server; the part of the answer that came stays in the conversation."""
        await self._pieces.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # After a `break`, Python closes the pieces a little later; the session is free at once.
        if self._has_begun:
            self._turn.leave()
