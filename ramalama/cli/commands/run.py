"""`ramalama run`: chat with a model, or ask it one question."""

from __future__ import annotations

import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS, collect_garbage
from ramalama.cli.error_boundary import Serving
from ramalama.cli.invocation import add_group, invoke, parser, typed
from ramalama.cli.options.chat import (
    JSON_NEEDS_PROMPT,
    ChatArguments,
    add_chat_options,
    answer_terminal,
    attaches_files,
    check_end,
    explained_context,
    ignore_settings_of_openai,
    is_plain,
    limit_answers,
    tools_of,
    wants_color,
)
from ramalama.cli.options.serve import (
    ServeArguments,
    add_api_options,
    add_serve_options,
    join_dashed,
    serve_options,
    split_at_dashes,
)
from ramalama.cli.output.terminal import print_error
from ramalama.config.option_spec import Group
from ramalama_chat.errors import ChatError, InputRefused, ServerGone
from ramalama_values import frozen

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator, Sequence

    from ramalama.cli.chat_session import Watch
    from ramalama.cli.invocation import Invocation
    from ramalama.cli.options.chat import AttachedFiles
    from ramalama.cli.output.timings import Timings
    from ramalama.cli.signals import Signals
    from ramalama.config.options import ServeOptions
    from ramalama.events import Event
    from ramalama.models.library import Models
    from ramalama.serving.server import ModelServer
    from ramalama_chat.session.session import ChatSession
    from ramalama_chat.session.tool_loop import ToolLoop

_HINT_DELAY = 1.0  # seconds until a hint says that the command waits for standard input
_SWITCH_INTERVAL = 0.0005  # seconds; Python's default is ten times as long
_EPILOG = """\
examples:
  ramalama run ./granite.gguf                       chat; /bye exits, Ctrl-C stops an answer
  ramalama run ./granite.gguf "why is the sky blue?"
  cat file.py | ramalama run ./granite.gguf "what does this do?"
  ramalama run --keepalive 10m -c 8192 ./granite.gguf

exit codes:
  0 success, 124 --keepalive has expired, 125 the engine failed, 130 Ctrl-C; see ramalama-run(1)
"""


class RunArguments(ServeArguments, ChatArguments):
    """The parsed arguments of `ramalama run`."""

    args: list[str]
    keepalive: float | None
    timings: bool


def execute(words: Sequence[str]) -> int:
    """Run `ramalama run` with the arguments *words*, and return the exit code."""
    run_parser = make_parser()
    options, literal = split_at_dashes(words)
    arguments = run_parser.parse_intermixed_args(join_dashed(options), RunArguments())
    positionals = [*([arguments.model] if arguments.model else []), *arguments.args, *literal]
    if not positionals:
        run_parser.error("MODEL is missing")
    arguments.model, *arguments.args = positionals
    if arguments.json and not arguments.args and sys.stdin.isatty():
        raise InputRefused(JSON_NEEDS_PROMPT)
    from ramalama.cli.signals import handled_signals  # noqa: PLC0415 (not for the help)

    invocation = invoke(arguments)
    command = _Run(arguments, invocation, _read_attached(arguments))
    if arguments.dryrun:
        return command.print_plan()
    ignore_settings_of_openai()
    # The thread that prints the answer must not wait long for the thread that imports modules.
    sys.setswitchinterval(_SWITCH_INTERVAL)
    with handled_signals() as signals:
        command.chat(signals)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama run`."""
    result = parser("run", VERBS["run"].summary, epilog=_EPILOG)
    result.usage = "ramalama run [options] MODEL [ARGS ...]"
    # Optional for argparse: otherwise its error would say that ARGS is missing, too.
    result.add_argument(
        *("model",),
        metavar="MODEL",
        nargs="?",
        help="reference (ollama://, hf://, ms://, oci://, https://), short name, or ./file",
    )
    result.add_argument(
        "args", metavar="ARGS", nargs="*", help="the prompt; without one, a chat begins"
    )
    add_serve_options(result)
    add_api_options(result)
    add_group(result.add_argument_group(Group.RAG), Group.RAG)
    group = result.add_argument_group("chat options")
    add_chat_options(group)
    group.add_argument(
        "--keepalive",
        type=typed(_duration),
        metavar="DURATION",
        help="exit after this time, with exit code 124: 90, 5m, 1h30m (default: never)",
    )
    group.add_argument(
        "--timings", action="store_true", help="print on stderr how long each step took"
    )
    return result


def _read_attached(arguments: RunArguments) -> AttachedFiles | None:
    """Read the files that are attached to the prompt, before the server is started."""
    if not attaches_files(arguments):
        return None
    from ramalama.cli.options.chat import read_attached_files  # noqa: PLC0415 (rarely used)

    return read_attached_files(arguments)


def _duration(text: str) -> float:
    from ramalama_chat.keepalive import parse_duration  # noqa: PLC0415 (rarely used)

    return parse_duration(text)


@frozen(kw_only=False)
class _Run:
    """One call of the command."""

    arguments: RunArguments
    invocation: Invocation
    attached: AttachedFiles | None

    def print_plan(self) -> int:
        """Print the equivalent engine command line; start nothing."""
        from ramalama.generate.command_line import (  # noqa: PLC0415 (only for a dry run)
            plan_line,
        )

        with self.invocation.ramalama() as ramalama:
            plan = ramalama.plan(self._options(ramalama.models))
            sys.stdout.write(plan_line(plan, engine=ramalama.remote_engine) + "\n")
        return 0

    def chat(self, signals: Signals) -> None:
        """Start the server, run the chat, and clean up."""
        from ramalama.cli.output.start_progress import StartProgress  # noqa: PLC0415 (see above)
        from ramalama.events import ContainerCreated  # noqa: PLC0415 (see above)

        timings = self._timings()
        progress = StartProgress(quiet=self.invocation.quiet)

        def follow(event: Event) -> None:
            progress.follow(event)
            signals.note_engine(event)
            if timings is not None:
                timings.note(event)
            # Not earlier: the imports would slow down the creation of the container. If a server
            # already runs, this event does not come, and there is no waiting time to use.
            if isinstance(event, ContainerCreated):
                self._start_preload()

        open_tools = tools_of(self.arguments, self.invocation)
        with self.invocation.ramalama() as ramalama, open_tools as tools:
            options = self._options(ramalama.models)
            prompt = _PromptReader(self.arguments.args, quiet=self.invocation.quiet)
            try:
                serving = ramalama.serve(options, on_event=follow, reuse=ramalama.may_reuse)
                with Serving(serving, signals) as server:
                    signals.start_keepalive(self.arguments.keepalive)
                    if prompt.is_reading:
                        self._start_preload()
                    watch = _pass_on if timings is None else timings.watch_first
                    self._chat(server, prompt.read(), signals, watch, tools)
                    sys.stdout.flush()  # before the clean-up, which may take long
                    if timings is not None:
                        timings.mark("answered")
            finally:
                progress.clear()
        if timings is not None:
            timings.mark("cleaned up")
            timings.report()

    def _timings(self) -> Timings | None:
        if not self.arguments.timings:
            return None
        from ramalama.cli.output.timings import Timings  # noqa: PLC0415 (only with --timings)

        return Timings()

    def _options(self, models: Models) -> ServeOptions:
        return serve_options(
            self.arguments,
            partial(self.invocation.resolve, models),
            self.invocation.config,
            self.invocation.user.env,
            parallel=1,  # one conversation, one request at a time
        )

    def _start_preload(self) -> None:
        threading.Thread(target=self._preload, name="ramalama-preload", daemon=True).start()

    def _preload(self) -> None:
        from ramalama_chat.preload import preload  # noqa: PLC0415 (see above)

        preload()
        if not is_plain(self.arguments):
            from ramalama.cli.chat_session import preload_rest  # noqa: PLC0415 (late, as what it imports)

            preload_rest(self.invocation.user, one_shot=bool(self.arguments.args))

    def _chat(
        self,
        server: ModelServer,
        prompt: str | None,
        signals: Signals,
        watch: Watch,
        tools: ToolLoop | None,
    ) -> None:
        # The modules were imported while the engine started the container.
        try:
            session = self._session(server)
            if prompt is not None and is_plain(self.arguments):
                from ramalama_chat.output.answer import write_answer  # noqa: PLC0415 (see above)

                collect_garbage()
                limit_answers(session, self.arguments)
                color = wants_color(self.arguments, self.invocation)
                terminal = answer_terminal(self.invocation)
                with explained_context(session):
                    pieces = watch(session.ask(prompt))
                    write_answer(pieces, sys.stdout, color=color, terminal=terminal)
                check_end(session, quiet=self.invocation.quiet)
                return
            from ramalama.cli.chat_session import ChatCommand  # noqa: PLC0415 (see above)

            parts = (self.arguments, self.invocation, self.attached)
            command = ChatCommand(session, *parts, tools)
            collect_garbage()
            if prompt is None:
                command.loop(
                    on_interrupt=signals.listen_again,
                    why_gone=server.why_ended,
                    has_ended=lambda: not server.running,
                )
            else:
                command.answer(prompt, watch)
        except ServerGone as exc:
            raise server.explain(exc) from exc

    def _session(self, server: ModelServer) -> ChatSession:
        session = server.chat()
        session.context_option = "--ctx-size"
        session.counting = True  # to tell a full context from a limit of the server
        session.on_repeat = partial(self._tell_repeat, server.forwarded_to)
        return session

    def _tell_repeat(self, host: str) -> None:
        if not self.invocation.quiet:
            print_error(f"Notice: the connection to {host} was lost; the prompt is sent again")


def _pass_on(pieces: Generator[str, None, None]) -> Generator[str, None, None]:
    return pieces


class _PromptReader:
    """Reads standard input in a thread, so that a slow writer does not delay the server's start."""

    def __init__(self, words: Sequence[str], *, quiet: bool) -> None:
        self._words = words
        self._quiet = quiet
        self._prompt: str | None = None
        self._error: Exception | None = None
        # A daemon thread: a writer that never ends must not keep this process from exiting.
        self._thread = threading.Thread(target=self._read, name="ramalama-stdin", daemon=True)
        self._thread.start()

    @property
    def is_reading(self) -> bool:
        """Whether the end of standard input has not been reached yet."""
        return self._thread.is_alive()

    def read(self) -> str | None:
        """Wait for the prompt and return it; None if neither arguments nor a pipe give one."""
        self._thread.join(_HINT_DELAY)
        if self._thread.is_alive() and not self._quiet:
            print_error("Waiting for the end of standard input …")
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._prompt

    def _read(self) -> None:
        from ramalama_chat.input.prompt import read_prompt  # noqa: PLC0415 (not for the help)

        try:
            self._prompt = read_prompt(self._words, sys.stdin)
        except (ChatError, OSError) as exc:
            self._error = exc
