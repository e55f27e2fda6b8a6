"""What can go wrong in a talk with a model server.

* ChatError
  x ServerGone          not reachable, or it went away in the middle of the answer
  x RequestFailed       the server answered, and said no (has .status)
    + ContextExceeded   the conversation is longer than the model's context
  x PromptTooLarge      more on standard input than a prompt can be
  x InputRefused        what the user gave us makes no sense: a command's words, a file, a schema
  x KeepAliveExpired    the time that the caller gave the talk is over

Each has the parts of `ramalama_values.errors.ExplainedError`. As text they are one line, and safe
to print: what a server said in them went through `ramalama_values.text.one_line`.
"""

from ramalama_values.errors import ExplainedError


class ChatError(ExplainedError):
    """Any failure of a talk with a model server."""


class ServerGone(ChatError):
    """No server answers at the endpoint, or it stopped in the middle of its answer."""


class RequestFailed(ChatError):
    """The server refused the request, or failed at it; *status* is None in mid answer."""

    def __init__(self, message: str, *, hint: str | None = None, status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class ContextExceeded(RequestFailed):
    """The conversation with the new prompt has more tokens than the model's context.

    *needed* and *held* count them; None where the server did not say.
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


class PromptTooLarge(ChatError):
    """Standard input holds more than we are willing to send as a prompt."""


class InputRefused(ChatError):
    """What the user gave us makes no sense: a command's words, a file, a schema, an address."""

    exit_code = 22


class KeepAliveExpired(ChatError):
    """The talk lasted as long as it was allowed to."""

    exit_code = 124
