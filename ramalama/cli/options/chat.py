"""The options of a talk, which `run` and `chat` have in common."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.cli.invocation import add_group, typed
from ramalama.cli.output.terminal import print_error
from ramalama.config.option_spec import Group
from ramalama_chat.errors import ContextExceeded, InputRefused, NoAnswer
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from contextlib import AbstractContextManager

    from ramalama.cli.invocation import ArgumentGroup, Invocation
    from ramalama_chat.output.terminal import AnswerTerminal
    from ramalama_chat.session.session import ChatSession
    from ramalama_chat.session.tool_loop import ToolLoop
    from ramalama_chat.tools.server_address import ToolServerAddress


JSON_NEEDS_PROMPT = "--json is for one answer: it needs a prompt"


class ChatArguments(argparse.Namespace):
    """What the parser fills in."""

    color: str | None
    file: list[Path]
    json: bool
    max_tokens: int | None
    mcp: list[ToolServerAddress]
    mcp_approve: str
    picture: list[Path]
    prefix: str | None
    rag: str | None
    schema: Path | None
    stats: bool
    think: bool


def add_chat_options(group: ArgumentGroup) -> None:
    """Add the options of a talk."""
    add_group(group, Group.CHAT)
    group.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object with text, usage and timings; needs a prompt",
    )
    group.add_argument(
        "--stats", action="store_true", help="print tokens and speed of each answer on stderr"
    )
    group.add_argument(
        "--max-tokens",
        type=typed(_count),
        metavar="N",
        help="maximum length of an answer in tokens",
    )
    group.add_argument(
        "--think",
        type=typed(_on_off),
        default=True,
        metavar="{on,off}",
        help="let the model reason, and show its reasoning (default: on)",
    )
    _add_files(group)
    _add_tools(group)


def _add_files(group: ArgumentGroup) -> None:
    group.add_argument(
        *("-f", "--schema"),
        type=Path,
        metavar="FILE",
        help="make answers match the JSON schema in FILE",
    )
    for name, what in (("--file", "a text file"), ("--picture", "a picture")):
        group.add_argument(
            name,
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help=f"send {what} with the first prompt; may be repeated",
        )


def _add_tools(group: ArgumentGroup) -> None:
    group.add_argument(
        "--mcp",
        type=typed(_tool_server),
        action="append",
        default=[],
        metavar="SERVER",
        help="let the model call the tools of an MCP server: a command, a URL, or a name from "
        "ramalama.conf; may be repeated",
    )
    group.add_argument(
        "--mcp-approve",
        choices=("ask", "always"),
        default="ask",
        help="ask before each call of a tool, or always allow it (default: ask)",
    )


def check_end(session: ChatSession, *, quiet: bool) -> None:
    """Say if the answer is cut off, unless *quiet* is set.

    Raises:
        NoAnswer: it has no text.
    """
    if session.finish_reason == "stop" and not session.is_empty:
        return
    from ramalama_chat.session.ending import Remedies, describe_end  # noqa: PLC0415 (rarely needed)

    remedies = Remedies(
        limit="--max-tokens raises the limit", reasoning="--think off makes it answer at once"
    )
    problem = describe_end(session, remedies)
    if session.is_empty and problem:
        raise NoAnswer(problem)
    if problem and not quiet:
        print_error(f"Notice: {problem}")


@contextmanager
def explained_context(session: ChatSession) -> Generator[None]:
    """Add to the error of a conversation that does not fit what helps against it."""
    try:
        yield
    except ContextExceeded as exc:
        hint = session.larger_context(exc.needed)
        raise ContextExceeded(
            exc.message, hint=hint, status=exc.status, needed=exc.needed, held=exc.held
        ) from exc


def ignore_settings_of_openai() -> None:
    """Remove the variables that configure the OpenAI SDK; only OPENAI_API_KEY is documented.

    `OPENAI_LOG`, for example, would write its log to stderr. Call it before the SDK is imported.
    """
    for name in [each for each in os.environ if each.startswith("OPENAI_")]:
        if name != "OPENAI_API_KEY":
            del os.environ[name]


def wants_color(arguments: ChatArguments, invocation: Invocation) -> bool:
    """Decide whether answers on stdout are coloured."""
    from ramalama_chat.output.color import ColorMode, use_color  # noqa: PLC0415 (not for the help)

    mode = ColorMode(arguments.color or invocation.config.color)
    return use_color(mode, isatty=sys.stdout.isatty(), env=invocation.user.env)


def answer_terminal(invocation: Invocation) -> AnswerTerminal | None:
    """Return the terminal of stdout; None if there is none, or a dumb one."""
    if not sys.stdout.isatty():
        return None
    from ramalama_chat.output.terminal import AnswerTerminal  # noqa: PLC0415 (only at a terminal)

    return AnswerTerminal.of(sys.stdin, sys.stdout, invocation.user.env)


def attaches_files(arguments: ChatArguments) -> bool:
    """Tell whether a file goes along with the first prompt, or with each request."""
    return bool(arguments.file or arguments.picture or arguments.schema)


def tools_of(
    arguments: ChatArguments, invocation: Invocation
) -> AbstractContextManager[ToolLoop | None]:
    """Return what opens and closes the tools that the command line names."""
    if not arguments.mcp:
        return nullcontext()
    return open_tools(arguments, invocation)


def is_plain(arguments: ChatArguments) -> bool:
    """Tell whether all that is asked for is one answer, with nothing about it or beside it."""
    changed = not arguments.think or attaches_files(arguments) or arguments.rag is not None
    return not (
        changed or arguments.mcp or arguments.json or arguments.stats or sys.stderr.isatty()
    )


def limit_answers(session: ChatSession, arguments: ChatArguments) -> None:
    """Let `--max-tokens` hold for all answers of *session*."""
    if arguments.max_tokens is not None:
        session.parameters["max_tokens"] = arguments.max_tokens


def _count(text: str) -> int:
    count = int(text) if text.isascii() and text.isdecimal() else 0
    if not 0 < count < 2**31:
        msg = "a number of tokens, 1 or more"
        raise ValueError(msg)
    return count


def _tool_server(text: str) -> ToolServerAddress:
    from ramalama_chat.tools.server_address import (  # noqa: PLC0415 (most name none)
        parse_tool_server,
    )

    return parse_tool_server(text)


def _on_off(text: str) -> bool:
    if text not in ("on", "off"):
        msg = "on or off"
        raise ValueError(msg)
    return text == "on"


@frozen()
class AttachedFiles:
    """What goes along with the first prompt.

    Attributes:
        response_format: the member of requests that holds answers to a schema; None for no schema.
    """

    texts: tuple[str, ...]
    images: tuple[str, ...]
    response_format: dict[str, object] | None


def read_attached_files(arguments: ChatArguments) -> AttachedFiles:
    """Read the files that the command line names; before a server starts, as one may be missing.

    Raises:
        InputRefused: one cannot be read, or is not what it should be.
    """
    from ramalama_chat.input.attachments import (  # noqa: PLC0415 (few name any)
        read_image,
        read_text,
    )
    from ramalama_chat.input.schema import read_schema  # noqa: PLC0415 (likewise)

    return AttachedFiles(
        texts=tuple(read_text(path) for path in arguments.file),
        images=tuple(read_image(path) for path in arguments.picture),
        response_format=read_schema(arguments.schema) if arguments.schema else None,
    )


@contextmanager
def open_tools(arguments: ChatArguments, invocation: Invocation) -> Generator[ToolLoop]:
    """Start what `--mcp` names, and end it with the block.

    Raises:
        InputRefused: a server does not start or lacks a secret, or the SDK is not installed.
    """
    from ramalama_chat.session.tool_loop import ToolLoop  # noqa: PLC0415 (most name none)
    from ramalama_chat.tools.approval import Approval  # noqa: PLC0415 (likewise)

    try:
        from ramalama_chat.tools.toolbox import open_toolbox  # noqa: PLC0415 (may be missing)
    except ImportError as exc:
        msg = "--mcp needs the Python package mcp: pip install 'mcp>=2.3,<3' 'anyio>=4.9,<5'"
        raise InputRefused(msg) from exc
    always = arguments.mcp_approve == "always"
    approve = Approval(stdin=sys.stdin, stderr=sys.stderr, always=always)
    servers = tuple(_servers(arguments.mcp, invocation))
    with open_toolbox(servers, print_error) as toolbox:
        yield ToolLoop(toolbox=toolbox, approve=approve)


def _servers(
    named: Iterable[ToolServerAddress], invocation: Invocation
) -> Iterator[ToolServerAddress]:
    """Yield each server with its secrets; a command of one word may be a name of the settings'.

    Raises:
        InputRefused: it is neither that nor a program, or lacks a secret.
    """
    import shutil  # noqa: PLC0415 (see `open_tools`)

    from ramalama_chat.tools.configured_server import with_secrets  # noqa: PLC0415 (likewise)

    known = invocation.config.mcp
    for address in named:
        name = address.command[0] if len(address.command) == 1 else ""
        if name and name not in known and "/" not in name and shutil.which(name) is None:
            names = f": {', '.join(known)}" if known else ""
            msg = (
                f"--mcp {name!r} is neither a program nor a server that ramalama.conf names{names}"
            )
            raise InputRefused(msg)
        yield with_secrets(known.get(name, address), invocation.user.env)
