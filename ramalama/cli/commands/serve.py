"""`ramalama serve`: serve a model to other programs, until Ctrl-C or in the background."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS, collect_garbage
from ramalama.cli.error_boundary import Serving
from ramalama.cli.invocation import add_group, add_option, invoke, parser, typed
from ramalama.cli.options.serve import (
    ServeArguments,
    add_api_options,
    add_serve_options,
    join_dashed,
    serve_options,
)
from ramalama.cli.output.start_progress import StartProgress
from ramalama.cli.output.terminal import print_error
from ramalama.cli.signals import handled_signals
from ramalama.config.config import DEFAULT
from ramalama.config.option_spec import Group
from ramalama.config.option_table import OPTIONS
from ramalama.errors import ConfigError, EngineFailure
from ramalama.planning.labels import API_KEY_NAME, INSTANCE_LABEL
from ramalama.serving.usage import FOR_EVER
from ramalama_chat.client.endpoint import TcpEndpoint
from ramalama_chat.keepalive import parse_duration
from ramalama_values import frozen
from ramalama_values.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ramalama.api.client import Ramalama
    from ramalama.cli.invocation import Invocation
    from ramalama.cli.rag_endpoint import ListenRequest
    from ramalama.cli.signals import Signals
    from ramalama.config.options import ServeOptions
    from ramalama.events import Event
    from ramalama.serving.server import ModelServer

_LONGEST_KEY = 4096  # characters; a large file that is named by mistake must not be read whole
_CHECK_INTERVAL = 3600.0  # seconds between checks of a server whose log has ended
_REACHED_BY = """\
`ramalama run` with the same options uses it;
`ramalama serve --reuse` with the same options gives it an address on this host"""
_EPILOG = """\
examples:
  ramalama serve ./granite.gguf                     on a UNIX socket, until Ctrl-C
  ramalama serve --port 8080 ./granite.gguf         on 127.0.0.1:8080, with an API key
  ramalama serve -d --name granite ./granite.gguf   in the background; `ramalama stop granite`
"""


class ServeCommandArguments(ServeArguments):
    """The parsed arguments of `ramalama serve`."""

    api_key: str | None
    api_key_file: Path | None
    detach: bool
    host: str | None
    keep_alive: float | None
    reuse: bool


def execute(words: Sequence[str]) -> int:
    """Run `ramalama serve` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_args(join_dashed(words), ServeCommandArguments())
    command = _Serve(arguments, invoke(arguments))
    if arguments.dryrun:
        return command.print_plan()
    with handled_signals() as signals:
        command.serve(signals)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama serve`."""
    result = parser("serve", VERBS["serve"].summary, epilog=_EPILOG)
    result.add_argument("model", metavar="MODEL", help="model to serve, as for `ramalama run`")
    add_serve_options(result)
    add_api_options(result)
    add_group(result.add_argument_group(Group.RAG), Group.RAG)
    group = result.add_argument_group("serving options")
    group.add_argument(
        *("-d", "--detach"),
        action="store_true",
        help="print the name of the container when the server is ready, and leave it running",
    )
    group.add_argument(
        "--keep-alive",
        type=typed(parse_duration),
        metavar="DURATION",
        help="how long to keep the server after its last user leaves: 90, 5m, 1h30m (default: stop "
        "at once; with -d, keep it)",
    )
    group.add_argument(
        "--reuse",
        action="store_true",
        help="use a server that already runs with the same options, if there is one",
    )
    add_option(group, OPTIONS["embeddings"])
    add_option(group, OPTIONS["host"])
    key = group.add_mutually_exclusive_group()
    add_option(key, OPTIONS["api_key"])
    key.add_argument(
        "--api-key-file", type=Path, metavar="FILE", help="file whose first line is the key"
    )
    return result


@frozen(kw_only=False)
class _Serve:
    """One call of the command."""

    arguments: ServeCommandArguments
    invocation: Invocation

    def print_plan(self) -> int:
        """Print the equivalent engine command line; start nothing."""
        from ramalama.generate.command_line import (  # noqa: PLC0415 (only for a dry run)
            plan_line,
        )

        with self.invocation.ramalama() as ramalama:
            plan = ramalama.plan(self._options(ramalama))
            sys.stdout.write(plan_line(plan, engine=ramalama.remote_engine) + "\n")
        return 0

    def serve(self, signals: Signals) -> None:
        """Start the server; without --detach, wait until it ends.

        With --detach, the server is kept only after its name was printed: without the name, the
        user could not stop it.
        """
        arguments = self.arguments
        progress = StartProgress(quiet=self.invocation.quiet)
        keep_alive = FOR_EVER if arguments.detach else 0.0
        if arguments.keep_alive is not None:
            keep_alive = arguments.keep_alive

        def follow(event: Event) -> None:
            progress.follow(event)
            signals.note_engine(event)

        with self.invocation.ramalama() as ramalama:
            try:
                server = ramalama.serve(
                    self._options(ramalama),
                    reuse=arguments.reuse,
                    keep_alive=0.0 if arguments.detach or arguments.rag else keep_alive,
                    on_event=follow,
                )
                with Serving(server, signals) as running:
                    progress.clear()
                    if arguments.rag is not None:
                        ramalama.offer_documents(running, arguments.rag, on_event=follow)
                        progress.clear()
                        self._serve_documents(ramalama, running)
                        return
                    self._announce(ramalama, running)
                    if arguments.detach:
                        running.detach(keep_alive=keep_alive)
                    else:
                        self._follow(ramalama, running)
            finally:
                progress.clear()

    def _serve_documents(self, ramalama: Ramalama, server: ModelServer) -> None:
        """Listen before the server: here until it ends, or in a process in the background."""
        from ramalama.cli.rag_endpoint import listening  # noqa: PLC0415 (only with --rag)

        arguments, listen = self.arguments, self._split_options(ramalama)[1]
        if not arguments.detach:
            with listening(server, listen, ramalama.run_dir) as (found, _):
                self._announce_documents(server, found.address, found.key_file)
                self._follow(ramalama, server)
        from ramalama.cli.rag_process import (  # noqa: PLC0415 (only with -d, too)
            EndpointRequest,
            start_process,
        )

        background = start_process(
            arguments,
            self.invocation.user.env,
            EndpointRequest(
                server=server.name,
                rag=arguments.rag or "",
                listen=listen,
                keep_alive=arguments.keep_alive,
            ),
        )
        try:
            _print_name(server)
        except BaseException:
            background.stop()
            raise
        self._announce_documents(server, background.address, background.key_file)

    def _announce_documents(self, server: ModelServer, address: str, key_file: str | None) -> None:
        if not self.invocation.quiet:
            print_error(f"{server.model} is served at {address}, with {self.arguments.rag}")
            if key_file is not None:
                print_error(f"its API key is in {key_file}")

    def _announce(self, ramalama: Ramalama, server: ModelServer) -> None:
        if self.arguments.detach:
            _print_name(server)
        if self.invocation.quiet:
            return
        if self.arguments.detach and server.forwarded_to:
            there = ramalama.address(ramalama.find(server.name))
            print_error(f"{server.model} is served at {there}")
            print_error(_REACHED_BY)
        elif server.forwarded_to:
            host = server.forwarded_to
            print_error(f"{server.model} is served at {_address(server)}, which leads to {host}")
            self._note_other_port(server)
        else:
            print_error(f"{server.model} is served at {_address(server)}")
        if isinstance(server.endpoint, TcpEndpoint):
            directory = server.plan.container.labels[INSTANCE_LABEL]
            print_error(f"its API key is in {directory}/{API_KEY_NAME}")

    def _note_other_port(self, server: ModelServer) -> None:
        """Say so if the port of this host is not the one that was asked for."""
        wanted, endpoint = self.arguments.port, server.endpoint
        if wanted and isinstance(endpoint, TcpEndpoint) and endpoint.port != wanted:
            print_error(f"Notice: port {wanted} of this host is not free, so another one is used")

    def _follow(self, ramalama: Ramalama, server: ModelServer) -> None:
        """Print the server's log until the server ends.

        Raises:
            ServerExited: always, when the server has ended.
        """
        collect_garbage()
        if server.plan.companions:
            self._follow_beside(ramalama, server)
        else:
            self._print_log(ramalama, server.name)
        ended = server.why_ended()
        while ended is None:
            ended = server.why_ended(timeout=_CHECK_INTERVAL)
        raise ended

    def _follow_beside(self, ramalama: Ramalama, server: ModelServer) -> None:
        """Print the logs of several containers, the first of which to end ends the server."""
        for name in (server.name, *(spec.name or "" for spec in server.plan.companions)):
            threading.Thread(target=self._print_log, args=(ramalama, name), daemon=True).start()

    def _print_log(self, ramalama: Ramalama, name: str) -> None:
        # If the log breaks off, the caller checks whether the server has ended, too.
        with suppress(EngineFailure):
            for line in ramalama.logs(name, follow=True):
                if not self.invocation.quiet:
                    sys.stdout.write(printable(line) + "\n")
                    sys.stdout.flush()

    def _options(self, ramalama: Ramalama) -> ServeOptions:
        """Return the options of the server."""
        if self.arguments.rag is None:
            return self._all_options(ramalama)
        return self._split_options(ramalama)[0]

    def _split_options(self, ramalama: Ramalama) -> tuple[ServeOptions, ListenRequest]:
        """Return the options of a server without network, and where to listen before it."""
        from ramalama.cli.rag_endpoint import (  # noqa: PLC0415 (only with --rag)
            refuse_network,
            split_options,
        )

        refuse_network(self.arguments.network)
        return split_options(self._all_options(ramalama))

    def _all_options(self, ramalama: Ramalama) -> ServeOptions:
        arguments, config = self.arguments, self.invocation.config
        env = self.invocation.user.env
        options = serve_options(
            arguments, partial(self.invocation.resolve, ramalama.models), config, env, parallel=None
        )
        key = self._api_key()
        has_key = bool(arguments.api_key or arguments.api_key_file)
        published = bool(arguments.port) or arguments.host is not None or has_key
        if published and arguments.network is None and config.source("network") == DEFAULT:
            options = replace(options, network="bridge")
        if options.network == "none" and not has_key:
            key = None  # the environment variable is only for servers that require a key
        return replace(options, api_key=key)

    def _api_key(self) -> str | None:
        if self.arguments.api_key_file is None:
            variable = OPTIONS["api_key"].environment[0]
            return self.arguments.api_key or self.invocation.user.env.get(variable) or None
        try:
            with self.arguments.api_key_file.open(encoding="ascii") as file:
                return file.readline(_LONGEST_KEY).strip()
        except (OSError, UnicodeDecodeError) as exc:
            msg = f"cannot read the API key in {self.arguments.api_key_file}: {exc}"
            raise ConfigError(msg) from exc


def _print_name(server: ModelServer) -> None:
    try:
        sys.stdout.write(printable(server.name) + "\n")
        sys.stdout.flush()
    except OSError as exc:
        exc.add_note("the server's name could not be printed, so the server is not kept")
        raise


def _address(server: ModelServer) -> str:
    endpoint = server.endpoint
    return endpoint.base_url if isinstance(endpoint, TcpEndpoint) else str(endpoint)
