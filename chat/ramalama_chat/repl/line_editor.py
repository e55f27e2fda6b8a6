"""A line editor for the prompt loop, built on prompt_toolkit; imported only at a terminal."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
from prompt_toolkit.filters import has_focus
from prompt_toolkit.formatted_text import AnyFormattedText
from prompt_toolkit.history import History as EditorHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.shortcuts import CompleteStyle

from ramalama_chat.errors import ServerGone
from ramalama_chat.repl.commands.completion import continue_command
from ramalama_chat.repl.input import Message, is_complete, parse_message
from ramalama_chat.repl.state import HOW_TO_LEAVE, ChatState
from ramalama_chat.text import ControlFilter

_POLL_INTERVAL = 0.5  # seconds
CONTINUATION_PREFIX = "... "


class LineEditor:
    """Reads messages from the terminal of the process, with editing, completion and history.

    Enter sends the message, unless the line ends with a backslash or stands between three quotes.
    Alt-Enter begins a new line. Pasted text is one message. Ctrl-C clears the line, or leaves if
    the line is empty and no answer has just ended. *has_ended* is called regularly, so that a user
    at the prompt learns at once that the server has ended.
    """

    def __init__(
        self,
        state: ChatState,
        *,
        prefix: str,
        vi: bool = False,
        has_ended: Callable[[], bool] = lambda: False,
    ) -> None:
        self._state = state
        self._has_ended = has_ended
        self._history = state.history
        # The cursor's position is not queried: an answer that comes late would be read as typed
        # text.
        output = Vt100_Output.from_pty(state.stderr)
        output.enable_cpr = False
        self._session: PromptSession[str] = PromptSession(
            prefix,
            multiline=True,
            prompt_continuation=_continuation,
            key_bindings=_bindings(),
            history=_Typed(state.history.load()),
            completer=_Commands(state.path),
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
            enable_suspend=True,
            output=output,
        )

    def read(self) -> Message | None:
        """Read one message; return None if the user leaves.

        Raises:
            KeyboardInterrupt: a signal came; Ctrl-C does not raise it.
            ServerGone: the model server has ended.
        """
        while True:
            try:
                text = self._edit()
            except _Cleared as cleared:
                if not cleared.typed and not self._state.has_just_answered:
                    return None
                if not cleared.typed:
                    self._state.tell(HOW_TO_LEAVE)
            except EOFError:
                return None
            else:
                if text.strip():
                    self._history.append(text)
                return parse_message(text)

    def _edit(self) -> str:
        try:
            # The product's own signal handlers stay installed.
            return self._session.prompt(
                handle_sigint=False, set_exception_handler=False, pre_run=self._start
            )
        except BaseException:
            # If a signal arrives while the prompt is first drawn, the editor does not clean up
            # itself.
            self._session.app.renderer.reset()
            raise

    def _start(self) -> None:
        asyncio.get_running_loop().set_exception_handler(_report)
        _ = self._session.app.create_background_task(self._watch())  # ends with the prompt

    async def _watch(self) -> None:
        """Leave the prompt when the server has ended."""
        while True:
            if self._has_ended() and not self._session.app.is_done:
                msg = "the model server has ended"
                self._session.app.exit(exception=ServerGone(msg))
                return
            await asyncio.sleep(_POLL_INTERVAL)


class _Cleared(Exception):
    """Ctrl-C was pressed; *typed* says whether there was any text to clear."""

    def __init__(self, *, typed: bool) -> None:
        super().__init__()
        self.typed = typed


class _Commands(Completer):
    """Completes lines that begin with a slash."""

    def __init__(self, path_of: Callable[[str], Path]) -> None:
        self._path_of = path_of

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yield the completions of the last word; for a path, only its last name is shown."""
        del complete_event
        part, continuations = continue_command(document.text_before_cursor, self._path_of)
        shown = part.rfind("/", 1) + 1
        for each in continuations:
            name = ControlFilter().feed(each[shown:])
            yield Completion(each, start_position=-len(part), display=name)


class _Typed(EditorHistory):
    """The history for prompt_toolkit: texts in memory, so that editing does no file access."""

    def __init__(self, typed: Sequence[str]) -> None:
        super().__init__()
        self._typed = typed

    def load_history_strings(self) -> Iterable[str]:
        """Return the messages, newest first."""
        return reversed(self._typed)

    def store_string(self, string: str) -> None:
        """Do nothing: `LineEditor.read` saves the message."""


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Report an exception of a callback, except the one of a signal, which is raised again."""
    error = context.get("exception")
    if error is None or isinstance(error, Exception):
        loop.default_exception_handler(context)


def _continuation(_width: int, _line: int, wraps: int) -> AnyFormattedText:
    return "" if wraps else CONTINUATION_PREFIX  # a wrapped line gets no prefix


def _bindings() -> KeyBindings:
    bindings = KeyBindings()
    typing = has_focus(DEFAULT_BUFFER)  # and not searching the history
    bindings.add("enter", filter=typing)(_send)
    bindings.add("escape", "enter", filter=typing)(_begin_line)
    bindings.add("c-c", filter=typing)(_clear)
    return bindings


def _send(event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    if is_complete(buffer.text):
        buffer.validate_and_handle()
    else:
        buffer.newline(copy_margin=False)


def _begin_line(event: KeyPressEvent) -> None:
    event.current_buffer.newline(copy_margin=False)


def _clear(event: KeyPressEvent) -> None:
    event.app.exit(exception=_Cleared(typed=bool(event.current_buffer.text)))
