"""Errors of a conversation with a model server.

* ChatError (a `RamalamaError`)
  x ServerGone          the server is not reachable, or stopped in the middle of its answer
    + ServerSilent      it sent nothing for longer than the client waits; a TimeoutError, too
  x RequestFailed       the server answered with an error (has .status)
    + ContextExceeded   the conversation is longer than the model's context
  x AnswerTimedOut      the answer is not complete within its time; a TimeoutError, too
  x AnswerInvalid       the answer does not follow the schema that was asked for
  x SessionBusy         the session already answers another prompt
  x NoAnswer            the answer has no text
  x PromptTooLarge      standard input is longer than a prompt may be
  x InputRefused        the user's input is not valid: a command's arguments, a file, a schema
  x KeepAliveExpired    the session's time limit, which the caller set, is over

Each has the attributes of `ramalama_values.errors.RamalamaError`. ``str(error)`` is one line that
is safe to print: a server's text in it has passed through `ramalama_values.text.one_line`.
"""

from ramalama_values.errors import RamalamaError


class ChatError(RamalamaError):
    """Any failure of a conversation with a model server."""


class ServerGone(ChatError):
    """No server answers at the endpoint, or it stopped in the middle of its answer."""


class ServerSilent(ServerGone, TimeoutError):
    """The server sent nothing for longer than the client waits for it."""


class RequestFailed(ChatError):
    """The server refused the request or failed; *status* is None if its answer had begun."""

    def __init__(self, message: str, *, hint: str | None = None, status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class ContextExceeded(RequestFailed):
    """The conversation with the new prompt has more tokens than the model's context.

    *needed* is the conversation's number of tokens, *held* the context's; None where the server
    did not report it.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        needed: int | None = None,
        held: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, status=status)
        self.needed = needed
        self.held = held


class AnswerTimedOut(ChatError, TimeoutError):
    """The answer was not complete within the seconds of its *timeout*."""


class AnswerInvalid(ChatError):
    """The answer does not follow the schema that was asked for, for example as it was cut off."""


class SessionBusy(ChatError):
    """The session already answers another prompt; a session answers one at a time."""


class NoAnswer(ChatError):
    """The answer is complete, but has no text; raised by programs, since a session yields none."""


class PromptTooLarge(ChatError):
    """Standard input is longer than the longest prompt that is sent."""


class InputRefused(ChatError):
    """The user's input is not valid: a command's arguments, a file, a schema, an address."""

    exit_code = 22


class KeepAliveExpired(ChatError):
    """The session has reached its time limit."""

    exit_code = 124
