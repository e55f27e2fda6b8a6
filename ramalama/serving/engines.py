"""Open the engines of one `Ramalama`, each when it is first needed."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import ramalama_engines
from ramalama.errors import engine_errors
from ramalama.serving.run_dir import new_server_dir
from ramalama.system.process_identity import ProcessIdentity
from ramalama_engines.discovery.candidates import (
    candidates,
    expected_candidates,
    find_address,
)
from ramalama_engines.discovery.connection import EngineChoice, connect
from ramalama_engines.discovery.engine_identity import EngineIdentity
from ramalama_engines.discovery.locate import EngineLocation
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ramalama.config.config import Config
    from ramalama.serving.handle import ServerHandle
    from ramalama.serving.kept import KeptServers
    from ramalama_engines import Connection, Engine, EngineAddress, InvokingUser
    from ramalama_engines.discovery.connection import Attempt
    from ramalama_engines.discovery.podman_machine import PodmanMachine


_log = logging.getLogger("ramalama.engines")
_REMOTE = ("ssh://", "tcp://")


class EngineProvider:
    """Opens the engine that *config* and *user* choose, unless the caller has *given* one.

    Recorded servers may be on other engines that this user has used before; `reopen` opens these.
    All methods may be called from any thread.
    """

    def __init__(
        self,
        config: Config,
        user: InvokingUser,
        given: Engine | None = None,
        *,
        run_dir: Path,
        open_engine: Callable[[EngineKind, EngineAddress], Engine] | None = None,
    ) -> None:
        self._config = config
        self._user = user
        self._engine = given
        self._run_dir = run_dir
        self._open_engine = open_engine or self._open
        self._connecting = threading.Lock()
        self._reopening = threading.Lock()
        self._reopened: dict[EngineIdentity, Engine] = {}
        self._closing = ExitStack()
        self._kept: KeptServers | None = None
        self._closed = False
        self._opener = os.getpid()
        self.is_given = given is not None
        self.source = "given by the caller"
        """Why this engine was chosen; valid after `connect`."""
        self.machine: PodmanMachine | None = None
        """The virtual machine of podman in which the engine runs; valid after `connect`."""
        self.attempts: list[Attempt] = []
        """What `connect` has tried, in this order; empty if the engine was given."""

    def connect(self) -> Engine:
        """Return the chosen engine; the first call finds and opens it.

        Raises:
            EngineFailure: no engine answers; the message lists the addresses that were tried.
        """
        with self._connecting:
            if self._engine is None:
                with engine_errors():
                    connection = self._find()
                self._engine = connection.engine
                self.source = connection.candidate.source
                self.machine = connection.candidate.machine
            return self._engine

    def expected(self, identities: Iterable[EngineIdentity]) -> Sequence[EngineIdentity]:
        """Return those of *identities* that `connect` could return, without asking an engine."""
        kind = self._config.engine
        candidates = expected_candidates(self._user, kind=kind, location=self._location())
        urls = {each.url for each in candidates}
        return [
            each
            for each in dict.fromkeys(identities)
            if each.url in urls and kind in (None, each.kind)
        ]

    def remote(self) -> EngineIdentity | None:
        """Return the remote engine that `connect` would open first, if it has opened none.

        Nothing is connected. Without a word about the kind in the settings, a guess is made from
        the address, which only a dry run shows.

        Raises:
            EngineFailure: the settings cannot be read.
        """
        if self._engine is not None:
            return None
        kind = self._config.engine
        with engine_errors():
            listed = candidates(self._user, kind=kind, location=self._location())
            first = next(iter(listed), None)
        if first is None or first.refusal or not first.url.startswith(_REMOTE):
            return None
        path = urlsplit(first.url).path
        guess = EngineKind.DOCKER if "docker" in path else EngineKind.PODMAN
        rootless = path.startswith("/run/user/")
        return EngineIdentity(kind=first.kind or guess, url=first.url, rootless=rootless)

    def reopen(self, identity: EngineIdentity) -> Engine:
        """Return the engine with a recorded *identity*; the first call opens it.

        Raises:
            EngineUnavailable: the engine cannot be opened, or `close` was called.
        """
        with self._reopening:
            if self._closed:
                msg = f"{identity.kind} at {identity.url}: the connection was closed"
                raise EngineUnavailable(msg, engine=identity.kind)
            if identity not in self._reopened:
                address = find_address(self._user, identity.url, location=self._location())
                engine = self._open_engine(identity.kind, address)
                self._reopened[identity] = self._closing.enter_context(engine)
            return self._reopened[identity]

    def keep(self, handle: ServerHandle) -> None:
        """Remove the server of *handle*, which is left, when its keep-alive time is over.

        Only while the engines are open: afterwards, the next command does it.
        """
        from ramalama.serving.kept import KeptServers  # noqa: PLC0415 (few servers are kept)

        with self._reopening:
            if self._kept is None and not self._closed:
                self._kept = KeptServers()
        if self._kept is not None:
            self._kept.add(handle)

    def close(self) -> None:
        """Close the connections to all engines, including the given one.

        In a process that was forked meanwhile, do nothing: the connections are the parent's.
        """
        if os.getpid() != self._opener:
            return
        if self._kept is not None:
            self._kept.close()
        try:
            if self._engine is not None:
                self._engine.close()
        finally:
            with self._reopening:
                self._closed = True
                self._closing.close()

    def _find(self) -> Connection:
        kind = self._config.engine
        choice = None
        if kind is not None:
            choice = EngineChoice(kind=kind, source=self._config.source("engine"))
        self.attempts.clear()
        return connect(
            self._user,
            choice=choice,
            location=self._location(),
            sockets=self._sockets,
            on_attempt=self._note,
        )

    def _location(self) -> EngineLocation | None:
        """Return where the settings say that the engine is."""
        config = self._config
        if config.engine_url is None and config.connection is None:
            return None
        key = "connection" if config.engine_url is None else "engine_url"
        source = config.sources.get(key, f"{key} of the Config")
        return EngineLocation(source=source, url=config.engine_url, connection=config.connection)

    def _open(self, kind: EngineKind, address: EngineAddress) -> Engine:
        return ramalama_engines.open_engine(kind, address, sockets=self._sockets)

    def _sockets(self) -> Path:
        """Return a new name for a directory of forwarded sockets, which has this process's name.

        The clean-up therefore removes what a killed process has left behind.
        """
        return new_server_dir(self._run_dir, ProcessIdentity.of_this_process()).path

    def _note(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        candidate, result = attempt.candidate, attempt.failure or "this engine is used"
        _log.debug("engine at %s (%s): %s", candidate.url, candidate.source, result)
