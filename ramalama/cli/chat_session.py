"""A chat on the command line: one answer with all chat options, or a prompt loop."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ramalama.cli.options.chat import (
    JSON_NEEDS_PROMPT,
    answer_terminal,
    check_end,
    explained_context,
    limit_answers,
    wants_color,
)
from ramalama.cli.output.terminal import Status, print_error
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ramalama.cli.invocation import Invocation
    from ramalama.cli.options.chat import AttachedFiles, ChatArguments
    from ramalama_chat.input.attachments import Attachments
    from ramalama_chat.repl.repl import Reader
    from ramalama_chat.repl.state import ChatState
    from ramalama_chat.session.session import ChatSession
    from ramalama_chat.session.tool_loop import ToolLoop
    from ramalama_engines import InvokingUser

    Watch = Callable[[Generator[str, None, None]], Generator[str, None, None]]


def preload_rest(user: InvokingUser, *, one_shot: bool) -> None:
    """Import what a chat needs beyond `ramalama_chat.preload`; meant to run in a thread."""
    from importlib import import_module  # noqa: PLC0415 (late, like what it imports)

    import_module("ramalama_chat.output.answer")
    if sys.stdout.isatty():
        import_module("ramalama_chat.output.terminal")
    if not one_shot and has_editor(user):
        import_module("ramalama_chat.repl.repl")
        import_module("ramalama_chat.repl.line_editor")


def has_editor(user: InvokingUser) -> bool:
    """Return whether stdin and stderr are a terminal that can move its cursor."""
    capable = user.env.get("TERM") not in (None, "", "dumb")
    return capable and sys.stdin.isatty() and sys.stderr.isatty()


class WaitLine:
    """Shows what is waited for: in a temporary line on a terminal, else in one that stays."""

    def __init__(self, *, quiet: bool) -> None:
        self._status = Status(quiet=quiet)
        self._quiet = quiet or sys.stderr.isatty()  # the terminal has the temporary line

    def show(self, words: str) -> None:
        """Show *words*, or "" nothing any more; see `ChatSession.on_wait`."""
        if not words:
            self._status.clear()
            return
        self._status.show(words)
        if not self._quiet:
            self._quiet = True
            print_error(words)


@frozen(kw_only=False)
class ChatCommand:
    """A chat session with the options of the command line, which are applied to *session*."""

    session: ChatSession
    arguments: ChatArguments
    invocation: Invocation
    attached: AttachedFiles | None = None
    tools: ToolLoop | None = None

    def __post_init__(self) -> None:
        self.session.tools = self.tools
        self.session.counting = False  # set where the counts are shown
        self.session.on_wait = WaitLine(quiet=self.invocation.quiet).show
        self.session.shows_progress = sys.stderr.isatty() and not self.invocation.quiet
        parameters = self.session.parameters
        limit_answers(self.session, self.arguments)
        if self.attached is not None and self.attached.response_format is not None:
            parameters["response_format"] = self.attached.response_format
        if not self.arguments.think:
            from ramalama_chat.session.parameters import set_reasoning  # noqa: PLC0415 (rarely used)

            set_reasoning(parameters, on=False)

    def answer(self, prompt: str, watch: Watch) -> None:
        """Write the answer to *prompt*, and nothing else, to stdout.

        *watch* wraps the iterator over the pieces of the answer, for example to measure times.

        Raises:
            InputRefused: a picture is sent, and the model cannot see.
            NoAnswer: the model gave no answer.
            ChatError: the request failed.
        """
        self._check_abilities()
        text = "\n\n".join((*(self.attached.texts if self.attached else ()), prompt))
        with explained_context(self.session):
            if self.arguments.json:
                self._answer_in_json(text, watch)
            else:
                self._answer_as_text(text, watch)
        self._name_sources()
        check_end(self.session, quiet=self.invocation.quiet or self.arguments.json)
        if self.arguments.stats and self.session.usage is not None:
            print_error(self.session.usage.describe(self.session.context_size()))

    def loop(
        self,
        *,
        on_interrupt: Callable[[], None],
        why_gone: Callable[[], Exception | None] = lambda: None,
        has_ended: Callable[[], bool] = lambda: False,
    ) -> None:
        """Run the prompt loop until the user leaves; see `ramalama_chat.Repl` and `LineEditor`."""
        from ramalama_chat.errors import InputRefused  # noqa: PLC0415 (see above)
        from ramalama_chat.repl.history import History, history_path  # noqa: PLC0415 (see above)
        from ramalama_chat.repl.repl import Repl  # noqa: PLC0415 (see above)
        from ramalama_chat.repl.state import ChatState  # noqa: PLC0415 (only for the loop)

        if self.arguments.json:
            raise InputRefused(JSON_NEEDS_PROMPT)
        self._check_abilities()
        user = self.invocation.user
        state = ChatState(
            session=self.session,
            stderr=sys.stderr,
            history=History(history_path(user.env, user.home), self._warn),
            home=user.home,
            think=self.arguments.think,
            stats=self.arguments.stats,
            attachments=self._attachments(),
            tools=self.tools.toolbox.tools if self.tools else (),
            names_sources=not self.invocation.quiet,
        )
        Repl(
            state=state,
            reader=self._reader(state, has_ended),
            stdout=sys.stdout,
            color=wants_color(self.arguments, self.invocation),
            terminal=answer_terminal(self.invocation),
            on_interrupt=on_interrupt,
            why_gone=why_gone,
        ).run()

    def _name_sources(self) -> None:
        """Tell which sources the answer cites; the JSON object has them already."""
        if self.invocation.quiet or self.arguments.json or not (cited := self.session.cited()):
            return
        from ramalama_chat.session.citations import describe_sources  # noqa: PLC0415 (see above)

        print_error(describe_sources(cited))

    def _check_abilities(self) -> None:
        """Refuse pictures for a model that cannot see, and warn of tools that it cannot call."""
        if not self._images and self.tools is None:
            return
        abilities = self.session.abilities()
        if self._images:
            abilities.ensure_sees()
        if self.tools is not None and abilities.calls_tools is False:
            self._warn("Notice: the model's chat template knows no tools: answers may be made up")

    def _answer_in_json(self, text: str, watch: Watch) -> None:
        from ramalama_chat.session.json_report import Report  # noqa: PLC0415 (rarely used)

        report = Report(self.session)
        pieces = self.session.ask(text, images=self._images, on_reasoning=report.note_reasoning)
        report.collect(watch(pieces))
        sys.stdout.write(report.to_json() + "\n")

    def _answer_as_text(self, text: str, watch: Watch) -> None:
        from ramalama_chat.output.answer import (  # noqa: PLC0415 (preloaded)
            ReasoningWriter,
            write_answer,
        )

        color = wants_color(self.arguments, self.invocation)
        terminal = answer_terminal(self.invocation)
        self.session.counting = self.session.counting or self.arguments.stats
        show_reasoning = self.arguments.think and sys.stderr.isatty() and not self.invocation.quiet
        reasoning = ReasoningWriter(sys.stderr, color=color, terminal=terminal)
        pieces: Generator[str, None, None] = self.session.ask(
            text,
            images=self._images,
            on_reasoning=reasoning.write if show_reasoning else None,
        )
        pieces = watch(reasoning.before(pieces))
        write_answer(pieces, sys.stdout, color=color, terminal=terminal)

    @property
    def _images(self) -> tuple[str, ...]:
        return self.attached.images if self.attached else ()

    def _attachments(self) -> Attachments:
        from ramalama_chat.input.attachments import Attachments  # noqa: PLC0415 (see `loop`)

        return Attachments(self.attached.texts if self.attached else (), self._images)

    def _reader(self, state: ChatState, has_ended: Callable[[], bool]) -> Reader:
        from ramalama_chat.repl.repl import LineReader  # noqa: PLC0415 (see `loop`)

        user, prefix = self.invocation.user, self._prefix()
        if not has_editor(user):
            return LineReader(stdin=sys.stdin, stderr=sys.stderr, prefix=prefix)
        from ramalama_chat.repl.inputrc import prefers_vi  # noqa: PLC0415 (only on a terminal)
        from ramalama_chat.repl.line_editor import LineEditor  # noqa: PLC0415 (see above)

        vi = prefers_vi(user.env, user.home)
        return LineEditor(state, prefix=prefix, vi=vi, has_ended=has_ended)

    def _prefix(self) -> str:
        from ramalama_chat.output.color import default_prefix  # noqa: PLC0415 (see `loop`)

        for prefix in (self.arguments.prefix, self.invocation.config.prefix):
            if prefix is not None:
                return prefix
        return default_prefix(self.invocation.user.env, sys.stderr.encoding)

    def _warn(self, text: str) -> None:
        if not self.invocation.quiet:
            print_error(text)
