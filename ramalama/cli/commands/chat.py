"""`ramalama chat`: chat with a model server that already runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS, collect_garbage
from ramalama.cli.invocation import (
    GlobalArguments,
    add_group,
    add_option,
    ensure_no_dryrun,
    invoke,
    parser,
    typed,
)
from ramalama.cli.options.chat import (
    ChatArguments,
    add_chat_options,
    ignore_settings_of_openai,
    tools_of,
)
from ramalama.cli.options.rag import documents_of
from ramalama.cli.signals import handled_signals
from ramalama.config.option_spec import Group
from ramalama.config.option_table import OPTIONS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from openai import OpenAI

    from ramalama.cli.invocation import Invocation
    from ramalama.cli.signals import Signals

_READ_TIMEOUT = (
    600.0  # seconds; on a slow machine, a long prompt takes minutes until the first word
)
_EPILOG = """\
examples:
  ramalama chat --url http://127.0.0.1:8080
  ramalama chat --url unix:///run/user/1000/llama.sock "why is the sky blue?"
  RAMALAMA_API_KEY=… ramalama chat --url https://models.example.com/v1 --model granite

The API key is read from RAMALAMA_API_KEY, else from OPENAI_API_KEY. OPENAI_API_KEY is never sent
to another machine over plain http.
"""


class UrlArguments(GlobalArguments, ChatArguments):
    """The parsed arguments of `ramalama chat`."""

    args: list[str]
    model: str | None
    seed: int | None
    system: str | None
    temp: float | None
    timeout: float
    url: str


def execute(words: Sequence[str]) -> int:
    """Run `ramalama chat` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_intermixed_args(words, UrlArguments())
    if ensure_no_dryrun(arguments, ["chat", "--url", arguments.url, *arguments.args]):
        return 0
    ignore_settings_of_openai()
    with handled_signals() as signals:
        _chat(arguments, signals)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama chat`."""
    result = parser("chat", VERBS["chat"].summary, epilog=_EPILOG)
    result.add_argument(
        "args", metavar="ARGS", nargs="*", help="the prompt; without one, a chat begins"
    )
    group = result.add_argument_group("server options")
    group.add_argument(
        "--url",
        required=True,
        help="URL of the server: http(s)://host[:port][/v1] or unix:///socket",
    )
    group.add_argument(
        "--model", metavar="NAME", help="model to ask (default: the only one that the server has)"
    )
    group.add_argument("--system", metavar="TEXT", help="system prompt")
    group.add_argument(
        "--timeout",
        type=typed(_duration),
        default=_READ_TIMEOUT,
        metavar="DURATION",
        help="longest time without data from the server during a request (default: 10m)",
    )
    group = result.add_argument_group("chat options")
    for name in ("temp", "seed"):
        words = f"{OPTIONS[name].help} (default: the server's own)"
        add_option(group, OPTIONS[name], words=words)
    add_chat_options(group)
    add_group(result.add_argument_group(Group.RAG), Group.RAG)
    return result


def _chat(arguments: UrlArguments, signals: Signals) -> None:
    from ramalama.cli.chat_session import ChatCommand  # noqa: PLC0415 (see above)
    from ramalama.cli.options.chat import read_attached_files  # noqa: PLC0415 (not for `--help`)
    from ramalama_chat.client.remote import (  # noqa: PLC0415 (see above)
        choose_key,
        open_remote,
    )
    from ramalama_chat.input.prompt import read_prompt  # noqa: PLC0415 (see above)
    from ramalama_chat.session.session import ChatSession  # noqa: PLC0415 (see above)

    invocation = invoke(arguments)
    attached = read_attached_files(arguments)
    prompt = read_prompt(arguments.args, sys.stdin)
    key = choose_key(arguments.url, invocation.user.env)
    with (
        documents_of(arguments.rag, invocation) as knowledge,
        tools_of(arguments, invocation) as tools,
        open_remote(arguments.url, api_key=key, timeout=arguments.timeout) as client,
    ):
        model = _choose_model(client, arguments, invocation)
        session = ChatSession(client, model=model, system=arguments.system)
        session.knowledge = knowledge
        session.parameters.update(_sampling(arguments))
        command = ChatCommand(session, arguments, invocation, attached, tools)
        collect_garbage()
        if prompt is None:
            command.loop(on_interrupt=signals.listen_again)
        else:
            command.answer(prompt, lambda pieces: pieces)


def _choose_model(client: OpenAI, arguments: UrlArguments, invocation: Invocation) -> str:
    from ramalama.cli.chat_session import WaitLine  # noqa: PLC0415 (see `_chat`)
    from ramalama_chat.client.remote import choose_model  # noqa: PLC0415 (see `_chat`)
    from ramalama_chat.session.session import LOADING  # noqa: PLC0415 (see `_chat`)

    waiting = WaitLine(quiet=invocation.quiet)
    try:
        return choose_model(client, arguments.model, on_loading=lambda: waiting.show(LOADING))
    finally:
        waiting.show("")


def _sampling(arguments: UrlArguments) -> dict[str, object]:
    parameters = {"temperature": arguments.temp, "seed": arguments.seed}
    return {name: value for name, value in parameters.items() if value is not None}


def _duration(text: str) -> float:
    from ramalama_chat.keepalive import parse_duration  # noqa: PLC0415 (most calls give no duration)

    return parse_duration(text)
