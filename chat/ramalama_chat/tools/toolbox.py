"""The tools of all servers that the user names, open as long as a conversation lasts."""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import SEEK_END
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, TextIO, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from ramalama_chat.errors import InputRefused
from ramalama_chat.tools.mcp_client import call_tool, connect, list_tools, reason
from ramalama_chat.tools.server_address import ToolServerAddress
from ramalama_chat.tools.tool import Tool, ToolRefused, read_tool
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from mcp import Client

_MOST_TOOLS = 128
_ERROR_TAIL = 4096  # bytes at the end of a server's standard error

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    """One server; *client* lives in the thread of *portal*."""

    address: ToolServerAddress
    portal: BlockingPortal
    client: "Client"
    errors: TextIO

    def list_tools(self) -> Sequence[tuple[str, str, Mapping[str, object]]]:
        listed = self._wait(list_tools, self.client)
        return [(tool.name, tool.description or "", tool.input_schema) for tool in listed]

    def call(self, name: str, arguments: Mapping[str, object]) -> str:
        return self._wait(call_tool, self.client, name, arguments)

    def _wait(self, function: Callable[..., Awaitable[_T]], *arguments: object) -> _T:
        """Wait for the result from the other thread; an exception here (Ctrl-C) cancels it."""
        future = self.portal.start_task_soon(function, *arguments)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


@dataclass(slots=True, kw_only=True)
class Toolbox:
    """The *tools* of some servers; *tell* gets each note for the user, one line at a time."""

    tools: tuple[Tool, ...]
    _servers: Mapping[str, _Server]
    _tell: Callable[[str], None]

    def call(self, tool: Tool, arguments: Mapping[str, object]) -> str:
        """Call *tool*, and return the text for the model: the result, or why there is none."""
        server = self._servers[tool.name]
        try:
            return server.call(tool.own_name, arguments)
        except Exception as exc:  # noqa: BLE001 - the SDK and transports raise any exception
            why = _why(exc, server.errors)
            self._tell(f"(tool server {tool.server}: {why})")
            return f"Error: {why}"


@contextmanager
def open_toolbox(
    addresses: Sequence[ToolServerAddress], tell: Callable[[str], None]
) -> Generator[Toolbox]:
    """Start or connect to the servers at *addresses*; they are stopped at the end of the block.

    A tool that cannot be used, or has the name of a tool of an earlier server, is left out, and
    *tell* gets a note about it.

    Raises:
        InputRefused: a server cannot be started or reached.

    """
    tools: list[Tool] = []
    servers: dict[str, _Server] = {}
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal(name="ramalama-tools"))
        for address in addresses:
            server = stack.enter_context(_opened(portal, address))
            for tool in _read_tools(server, tell):
                if tool.name in servers or len(tools) == _MOST_TOOLS:
                    taken = tool.name in servers
                    what = "another tool has this name" if taken else "there are too many"
                    tell(f"(tool {tool.name} of {tool.server} is left out: {what})")
                else:
                    servers[tool.name] = server
                    tools.append(tool)
        yield Toolbox(tools=tuple(tools), _servers=servers, _tell=tell)


@contextmanager
def _opened(portal: BlockingPortal, address: ToolServerAddress) -> Generator[_Server]:
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        opening = portal.wrap_async_context_manager(connect(address, errors))
        try:
            client = opening.__enter__()
        except (Exception, CancelledError) as exc:
            msg = f"the tool server {address.label} is not available: {_why(exc, errors)}"
            raise InputRefused(msg) from exc
        try:
            yield _Server(address=address, portal=portal, client=client, errors=errors)
        finally:
            with suppress(Exception):  # if the server has ended already, its pipes are broken
                opening.__exit__(None, None, None)


def _read_tools(server: _Server, tell: Callable[[str], None]) -> Generator[Tool]:
    label = server.address.label
    try:
        listed = server.list_tools()
    except Exception as exc:
        msg = f"cannot list the tools of the tool server {label}: {_why(exc, server.errors)}"
        raise InputRefused(msg) from exc
    for name, description, schema in listed:
        try:
            yield read_tool(label, name, description, schema)
        except ToolRefused as exc:
            tell(f"(a tool of {label} is left out: {one_line(str(exc))})")


def _why(failure: BaseException, errors: TextIO) -> str:
    """Return why something failed, with the last line that the server wrote to standard error."""
    errors.seek(max(0, errors.seek(0, SEEK_END) - _ERROR_TAIL))
    words = one_line(next(iter(errors.read().strip().splitlines()[-1:]), ""))
    return f"{reason(failure)} (last error output: {words})" if words else reason(failure)
