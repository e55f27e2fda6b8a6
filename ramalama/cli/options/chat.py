"""The options of a talk, which `run` and `chat` have in common."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.cli.invocation import typed
from ramalama.config.parsers import one_of
from ramalama_chat.output.color import ColorMode, use_color

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ramalama.cli.invocation import Invocation
    from ramalama_chat.session.tool_loop import ToolUse
    from ramalama_chat.tools.server_address import ToolServerAddress

    # argparse gives what `add_argument_group` returns no public name.
    ArgumentGroup = argparse._ArgumentGroup  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


JSON_NEEDS_PROMPT = "--json is for one answer: it needs a prompt"


class ChatArguments(argparse.Namespace):
    """What the parser fills in."""

    color: ColorMode | None
    file: list[Path]
    json: bool
    max_tokens: int | None
    mcp: list[ToolServerAddress]
    mcp_approve: str
    picture: list[Path]
    prefix: str | None
    schema: Path | None
    stats: bool
    think: bool


def add_chat_options(group: ArgumentGroup) -> None:
    """Add the options of a talk."""
    group.add_argument(
        *("--color", "--colour"),
        type=typed(one_of(ColorMode)),
        metavar="{auto,always,never}",
        help="colour the answers and style their Markdown (default: auto)",
    )
    group.add_argument("--prefix", help="of the prompt (default: 🦭 > )")
    group.add_argument(
        "--json", action="store_true", help="print one JSON object: text, usage, timings, …"
    )
    group.add_argument(
        "--stats", action="store_true", help="tell tokens and speed of each answer on stderr"
    )
    group.add_argument(
        "--max-tokens", type=typed(_count), metavar="N", help="length of an answer, at most"
    )
    group.add_argument(
        "--think",
        type=typed(_on_off),
        default=True,
        metavar="{on,off}",
        help="let the model reason, and show it (default: on)",
    )
    _add_files(group)
    _add_tools(group)


def _add_files(group: ArgumentGroup) -> None:
    group.add_argument(
        *("-f", "--schema"),
        type=Path,
        metavar="FILE",
        help="hold the answer to the JSON schema in FILE",
    )
    for name, what in (("--file", "a text file"), ("--picture", "a picture")):
        group.add_argument(
            name,
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help=f"send {what} along with the first prompt; may be repeated",
        )


def _add_tools(group: ArgumentGroup) -> None:
    group.add_argument(
        "--mcp",
        type=typed(_tool_server),
        action="append",
        default=[],
        metavar="SERVER",
        help="let the model call an MCP server's tools: a command, a URL, or a name that "
        "ramalama.conf has; may be repeated",
    )
    group.add_argument(
        "--mcp-approve",
        choices=("ask", "always"),
        default="ask",
        help="who allows the call of a tool: you, or nobody has to (default: ask)",
    )


def wants_color(arguments: ChatArguments, invocation: Invocation) -> bool:
    """Decide whether answers on stdout are coloured."""
    mode = arguments.color or ColorMode(invocation.config.color)
    return use_color(mode, isatty=sys.stdout.isatty(), env=invocation.user.env)


def has_enclosed(arguments: ChatArguments) -> bool:
    """Tell whether a file goes along with the first prompt, or with each request."""
    return bool(arguments.file or arguments.picture or arguments.schema)


def tools_of(
    arguments: ChatArguments, invocation: Invocation
) -> AbstractContextManager[ToolUse | None]:
    """Return what opens and closes the tools that the command line names."""
    if not arguments.mcp:
        return nullcontext()
    from ramalama.cli.options.tools import open_tools  # noqa: PLC0415 (most name none)

    return open_tools(arguments, invocation)


def is_plain(arguments: ChatArguments) -> bool:
    """Tell whether all that is asked for is one answer, with nothing about it or beside it."""
    changed = arguments.max_tokens is not None or not arguments.think or has_enclosed(arguments)
    return not (
        changed or arguments.mcp or arguments.json or arguments.stats or sys.stderr.isatty()
    )


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
