"""The address of a tool server: a command that starts it, or a URL."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ramalama_chat.client.endpoint import LOOPBACK
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolServerAddress:
    """A server with either a *url* or a *command*; *label* is its name for users.

    The other fields may hold secrets and are not in the repr: *headers* are sent with each request
    to *url*, and *env* is added to the environment of *command*.
    """

    label: str
    url: str = field(default="", repr=False)
    command: tuple[str, ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def is_local(self) -> bool:
        """Whether *url* is on this machine."""
        return _parts(self.url).hostname in LOOPBACK

    @property
    def is_in_clear(self) -> bool:
        """Whether data sent to *url* passes a network unencrypted."""
        return _parts(self.url).scheme == "http" and not self.is_local


def _parts(url: str) -> SplitResult:
    from urllib.parse import urlsplit  # noqa: PLC0415 - most name no URL

    return urlsplit(url)


def parse_tool_server(text: str) -> ToolServerAddress:
    """Parse `http(s)://…` as the URL of a server, and any other text as a shell's command line.

    Raises:
        ValueError: it is neither.

    """
    if text.startswith(("http://", "https://")):
        parts = _parts(text)
        if parts.hostname is None:
            msg = "a URL that names a host"  # it may hold a password
            raise ValueError(msg)
        port = f":{parts.port}" if parts.port else ""
        return ToolServerAddress(label=one_line(f"{parts.hostname}{port}"), url=text)
    words = tuple(shlex.split(text))
    if not words or not words[0] or "\0" in text:
        msg = "an http(s) URL, or a command with its arguments"
        raise ValueError(msg)
    return ToolServerAddress(label=one_line(words[0].rpartition("/")[2]), command=words)
