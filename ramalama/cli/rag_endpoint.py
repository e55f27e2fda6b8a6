"""Listen before a model server, for `ramalama serve --rag`: its clients get what documents say.

The server's container has no network then: it is reached through its socket, by this process alone.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from ramalama.config.defaults import LOOPBACK
from ramalama.errors import OptionRefused
from ramalama.planning.checks import check_options
from ramalama.planning.labels import API_KEY_NAME, INSTANCE_LABEL
from ramalama.planning.plan import reachable
from ramalama.rag.proxy.context_size import context_size
from ramalama.rag.proxy.endpoint import RagEndpoint
from ramalama.serving.fronts import recorded_front
from ramalama.serving.run_dir import ServerDir, new_server_dir
from ramalama.system.process_identity import ProcessIdentity
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama.config.options import ServeOptions
    from ramalama.serving.server import ModelServer

_KEY_BYTES = 32


@frozen()
class ListenRequest:
    """Where to listen: at a port of *host*, or on a socket if that is None.

    A *port* of 0 is a free one; without a *key* a random one is made for a port.
    """

    host: str | None = None
    port: int = 0
    key: str | None = None


@frozen()
class Listening:
    """An endpoint that listens; *address* is for people, *key_file* has its key if it needs one."""

    endpoint: RagEndpoint
    address: str
    key_file: str | None


def split_options(options: ServeOptions) -> tuple[ServeOptions, ListenRequest]:
    """Return the options of a server without a network, and where to listen before it.

    Raises:
        OptionRefused: the options contradict each other.
    """
    check_options(options)
    listen = ListenRequest()
    if options.network != "none":
        listen = ListenRequest(host=options.host, port=options.port or 0, key=options.api_key)
    return replace(options, network="none", port=None, host=LOOPBACK, api_key=None), listen


def refuse_network(network: str | None) -> None:
    """Refuse a network for a container that must have none.

    Raises:
        OptionRefused: *network*, which the user has named, is one.
    """
    if network not in (None, "none"):
        msg = "with --rag the server has no network: only this process reaches it"
        raise OptionRefused(msg, hint="omit --network; --port and --host publish the endpoint")


@contextmanager
def listening(
    server: ModelServer, request: ListenRequest, run_dir: Path
) -> Generator[tuple[Listening, ServerDir]]:
    """Listen for the length of the block; also yield this process's own directory.

    The directory is named for this process, so the next command removes it if this one is killed.

    Raises:
        OptionRefused: the address is in use, or is none of this host.
        ConfigError: the directory cannot be created.
    """
    if server.knowledge is None:
        msg = "there are no documents to search"
        raise OptionRefused(msg)
    directory = new_server_dir(run_dir, ProcessIdentity.of_this_process())
    directory.make()
    try:
        address: TcpEndpoint | UnixEndpoint = UnixEndpoint(str(directory.socket))
        key_file = None
        if request.host is not None:
            key = request.key or os.urandom(_KEY_BYTES).hex()
            directory.write(API_KEY_NAME, f"{key}\n")
            key_file = str(directory.path / API_KEY_NAME)
            address = TcpEndpoint(request.host, request.port, key)
        room = context_size(server.endpoint)
        with RagEndpoint(address, server.endpoint, server.knowledge, room=room) as endpoint:
            found = Listening(endpoint=endpoint, address=_shown(endpoint), key_file=key_file)
            label = server.plan.container.labels[INSTANCE_LABEL]
            with recorded_front(ServerDir(run_dir / PurePath(label).name), found.address):
                yield found, directory
    finally:
        directory.remove()


def _shown(endpoint: RagEndpoint) -> str:
    address = endpoint.address
    if isinstance(address, UnixEndpoint):
        return str(address)
    return replace(address, host=reachable(address.host)).base_url
