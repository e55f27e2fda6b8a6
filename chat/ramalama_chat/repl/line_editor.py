"""A line editor for the prompt loop, on prompt_toolkit; imported for a terminal alone."""

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
from ramalama_chat.repl.state import ChatState
from ramalama_chat.text import ControlFilter

_LOOK_INTERVAL = 0.5  # seconds
CONTINUATION_PREFIX = "... "


class LineEditor:
    """Reads messages at the process's terminal: edited, completed, remembered, of several lines.

    Enter sends, but for a line that ends with a backslash or stands between three quotes; Alt-Enter
    begins a line, and what is pasted is one message. Ctrl-C clears what was typed, and leaves where
    nothing was. *has_ended* is asked now and then whether the server is gone, since whoever types
    would not notice.
    """

    def __init__(
        self,
        state: ChatState,
        *,
        prefix: str,
        vi: bool = False,
        has_ended: Callable[[], bool] = lambda: False,
    ) -> None:
        self._has_ended = has_ended
        self._history = state.history
        # Where the cursor is, is not asked for: an answer that comes late would be typed text.
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
        """Read one message; None if the user leaves.

        Raises:
            KeyboardInterrupt: a signal, not the key.
            ServerGone: there is nobody left to talk to.
        """
        while True:
            try:
                text = self._edit()
            except _Cleared as cleared:
                if not cleared.typed:
                    return None
            except EOFError:
                return None
            else:
                if text.strip():
                    self._history.append(text)
                return parse_message(text)

    def _edit(self) -> str:
        try:
            # Our own handler of signals stays in charge.
            return self._session.prompt(
                handle_sigint=False, set_exception_handler=False, pre_run=self._start
            )
        except BaseException:
            # A signal while the prompt is first drawn finds the editor without a clean-up.
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
            await asyncio.sleep(_LOOK_INTERVAL)


class _Cleared(Exception):
    """Ctrl-C was pressed; *typed* if there was anything in the line."""

    def __init__(self, *, typed: bool) -> None:
        super().__init__()
        self.typed = typed


class _Commands(Completer):
    """Completes a line that begins with a slash."""

    def __init__(self, path_of: Callable[[str], Path]) -> None:
        self._path_of = path_of

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yield how the last part of what was typed may go on; of paths, the last name is shown."""
        del complete_event
        part, continuations = continue_command(document.text_before_cursor, self._path_of)
        shown = part.rfind("/", 1) + 1
        for each in continuations:
            name = ControlFilter().feed(each[shown:])
            yield Completion(each, start_position=-len(part), display=name)


class _Typed(EditorHistory):
    """What was typed, as the editor wants it; while it edits, nothing is read, written or said."""

    def __init__(self, typed: Sequence[str]) -> None:
        super().__init__()
        self._typed = typed

    def load_history_strings(self) -> Iterable[str]:
        """Return what was typed, newest first."""
        return reversed(self._typed)

    def store_string(self, string: str) -> None:
        """Leave it to `LineEditor.read`."""


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Report what a callback raised, unless a signal did: who raises that does so until heard."""
    error = context.get("exception")
    if error is None or isinstance(error, Exception):
        loop.default_exception_handler(context)


def _continuation(_width: int, _line: int, wraps: int) -> AnyFormattedText:
    return "" if wraps else CONTINUATION_PREFIX  # a line that is merely long is one line


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
