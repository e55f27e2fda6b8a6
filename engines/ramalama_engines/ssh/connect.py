"""Open an ssh connection as ssh(1) would: its settings, its jumps, its questions."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.ssh.asking import AskLater, do_not_ask
from ramalama_engines.ssh.failures import not_connected, settings_not_valid
from ramalama_engines.ssh.host_keys import KnownKeys, read_known_keys
from ramalama_engines.ssh.login import Login
from ramalama_engines.ssh.patience import Patience, questions
from ramalama_engines.ssh.settings import SshSettings, read_settings
from ramalama_engines.ssh.strangers import trusted_key
from ramalama_engines.ssh.target import SshTarget
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)

_MOST_JUMPS: Final = 8
_MOST_STRANGERS: Final = 3
# Twice as fast as chacha20-poly1305, which asyncssh would choose, where the processor has AES.
_FAST_CIPHERS: Final = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"


@frozen(kw_only=False)
class Attempt:
    """What an attempt to connect has, for all hosts on the way."""

    ask: AskLater
    patience: Patience


class _Keys(list[asyncssh.SSHKeyPair]):
    """Keys to offer. asyncssh takes an empty list for a request to use its own defaults."""

    def __bool__(self) -> bool:
        return True


async def connect(
    target: SshTarget,
    attempt: Attempt,
    *,
    identity_file: Path | None = None,
    is_machine: bool = False,
    depth: int = 0,
) -> Sequence[asyncssh.SSHClientConnection]:
    """Open a connection to *target*; return it, then those that it goes through.

    Raises:
        EngineUnavailable: it is not possible, and why.
    """
    try:
        settings = await asyncio.to_thread(read_settings, target, identity_file=identity_file)
    except (ValueError, OSError) as exc:
        raise settings_not_valid(exc, target.name) from exc
    path = await _go_through(settings, attempt, depth)
    try:
        connection = await _log_in(target, settings, attempt, path, is_machine=is_machine)
    except BaseException:
        close_all(path)
        raise
    return (connection, *path)


def close_all(connections: Sequence[asyncssh.SSHClientConnection]) -> None:
    """Close connections without waiting."""
    for connection in connections:
        connection.close()


async def _go_through(
    settings: SshSettings, attempt: Attempt, depth: int
) -> Sequence[asyncssh.SSHClientConnection]:
    """Connect to the last of the hosts to jump over; the last goes over those before it."""
    if not settings.jumps:
        return ()
    if depth >= _MOST_JUMPS:
        msg = f"ssh to {settings.host}: more than {_MOST_JUMPS} hosts to jump over"
        raise EngineUnavailable(msg, hint="see ProxyJump in ssh_config(5)")
    path: Sequence[asyncssh.SSHClientConnection] = ()
    for jump in settings.jumps.split(","):
        url = jump.strip()
        target = SshTarget.parse(url if "://" in url else f"ssh://{url}")
        try:
            path = (*await _jump(target, attempt, path, depth), *path)
        except BaseException:
            close_all(path)
            raise
    return path


async def _jump(
    target: SshTarget,
    attempt: Attempt,
    path: Sequence[asyncssh.SSHClientConnection],
    depth: int,
) -> Sequence[asyncssh.SSHClientConnection]:
    if not path:
        return await connect(target, attempt, depth=depth + 1)
    try:
        settings = await asyncio.to_thread(read_settings, target)
    except (ValueError, OSError) as exc:
        raise settings_not_valid(exc, target.name) from exc
    return (await _log_in(target, settings, attempt, path, is_machine=False),)


async def _log_in(
    target: SshTarget,
    settings: SshSettings,
    attempt: Attempt,
    path: Sequence[asyncssh.SSHClientConnection],
    *,
    is_machine: bool,
) -> asyncssh.SSHClientConnection:
    known: KnownKeys | None = None
    if not (is_machine and _is_loopback(settings.host)):
        files, name = settings.known_hosts, settings.known_name
        known = await asyncio.to_thread(read_known_keys, files, name=name)
    asking = attempt.ask if settings.may_ask else do_not_ask
    accepted: asyncssh.SSHKey | None = None
    for _ in range(_MOST_STRANGERS):
        login = Login(f"{settings.user}@{target.host}", asking)
        login.accepted = accepted
        try:
            work = _dial(target, settings, known, login, path)
            connection = await _in_time(work, settings, login, attempt.patience)
        except asyncssh.HostKeyNotVerifiable as exc:
            if known is None or login.stranger is None:
                raise not_connected(exc, settings, login) from exc
            accepted = await trusted_key(login.stranger, known, settings, asking)
        except (OSError, asyncssh.Error, ValueError) as exc:
            raise not_connected(exc, settings, login) from exc
        else:
            watch = attempt.patience.watch(connection, login.pulse, settings)
            login.watch = asyncio.ensure_future(watch)
            return connection
    msg = f"ssh to {target.name}: the host shows another key each time"
    raise EngineUnavailable(msg)


async def _in_time(
    work: Coroutine[None, None, asyncssh.SSHClientConnection],
    settings: SshSettings,
    login: Login,
    patience: Patience,
) -> asyncssh.SSHClientConnection:
    """Wait for the connection; the time that the user takes to answer does not count."""
    limit = settings.get("ConnectTimeout")
    task = asyncio.ensure_future(work)
    try:
        await patience.for_login(
            task, login.pulse, limit if isinstance(limit, int) and limit > 0 else None
        )
    finally:
        task.cancel()
    return task.result()


async def _dial(
    target: SshTarget,
    settings: SshSettings,
    known: KnownKeys | None,
    login: Login,
    path: Sequence[asyncssh.SSHClientConnection],
) -> asyncssh.SSHClientConnection:
    keys = await asyncio.to_thread(login.load_keys, settings.identities)
    options: dict[str, Any] = {
        "options": settings.options,
        # asyncssh reads the files again if a name must be made canonical, or for `Match final`.
        "config": settings.files if _has_second_pass(settings) else None,
        "client_factory": lambda: login,
        "client_keys": _Keys(keys),
        "tunnel": path[0] if path else None,
        "connect_timeout": None,
        "agent_forwarding": False,
        "x11_forwarding": False,
        "x509_trusted_certs": None,
        "command": None,
        "env": None,
        "send_env": None,
        "request_pty": False,
        **_trust(settings, known, login),
        **_agent(settings),
        **questions(settings),
    }
    if settings.get("Ciphers") is None:
        options["encryption_algs"] = _FAST_CIPHERS
    if (command := settings.get("ProxyCommand")) and not path:
        _log.debug("ssh to %s runs its ProxyCommand: %s", settings.host, command)
        options["proxy_command"] = [os.environ.get("SHELL", "/bin/sh"), "-c", f"exec {command}"]
    return await asyncssh.connect(target.host, target.port or (), **options)


def _trust(settings: SshSettings, known: KnownKeys | None, login: Login) -> dict[str, Any]:
    if known is None:
        return {"known_hosts": None}
    trust: dict[str, Any] = {"known_hosts": (known.trusted, known.authorities, known.revoked)}
    if settings.get("HostKeyAlgorithms") is None:
        trust["server_host_key_algs"] = known.algorithms
    if login.accepted is not None and known.has_other(login.accepted):
        # As ssh does: no password for a host that may be another one.
        trust |= {"password_auth": False, "kbdint_auth": False}
    return trust


def _agent(settings: SshSettings) -> dict[str, Any]:
    """Return where the agent is, and which of its keys to offer."""
    if settings.agent is None or not settings.only_identities:
        return {"agent_path": settings.agent}
    keys = [key for file in settings.identities if (key := _public_key(file))]
    if not keys:
        return {"agent_path": None}
    return {"agent_path": settings.agent, "agent_identities": keys}


def _public_key(file: Path) -> asyncssh.SSHKey | None:
    for each in (file.with_name(f"{file.name}.pub"), file):
        try:
            return asyncssh.read_public_key(each)
        except (OSError, asyncssh.KeyImportError):
            continue
    return None


def _has_second_pass(settings: SshSettings) -> bool:
    options = settings.options
    return options.config.has_match_final() or bool(options.canonicalize_hostname)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
