"""Where a tool server is: a program that is started, or an address on the web."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from ramalama_chat.errors import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolServerAddress:
    """Either *url* or *command* is there; *label* is what users read.

    All else may be secret, and is in no repr: *headers* go with each request to *url*, *env* is
    what *command* finds in its environment besides the harmless.
    """

    label: str
    url: str = field(default="", repr=False)
    command: tuple[str, ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


def parse_tool_server(text: str) -> ToolServerAddress:
    """Read `http(s)://…` as the URL of a server, and all else as a shell would read a command.

    Raises:
        ValueError: it is neither.

    """
    if text.startswith(("http://", "https://")):
        from urllib.parse import urlsplit  # noqa: PLC0415 - most name no URL

        parts = urlsplit(text)
        if parts.hostname is None:
            msg = f"{text!r} names no host"
            raise ValueError(msg)
        port = f":{parts.port}" if parts.port else ""
        return ToolServerAddress(label=one_line(f"{parts.hostname}{port}"), url=text)
    words = tuple(shlex.split(text))
    if not words or not words[0] or "\0" in text:
        msg = "an http(s) URL, or a command with its arguments"
        raise ValueError(msg)
    return ToolServerAddress(label=one_line(words[0].rpartition("/")[2]), command=words)
