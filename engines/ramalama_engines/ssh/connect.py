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
from ramalama_engines.ssh.settings import SshSettings, read_settings
from ramalama_engines.ssh.strangers import trusted_key
from ramalama_engines.ssh.target import SshTarget

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)

_MOST_JUMPS: Final = 8
_MOST_STRANGERS: Final = 3
_PATIENCE: Final = 10  # seconds for a host to let us in, without those for the user to answer
# A dead host is noticed after (count + 1) * interval = 9 s, unless the settings say otherwise.
_KEEPALIVE: Final = {"keepalive_interval": 3, "keepalive_count_max": 2}
# Twice as fast as chacha20-poly1305, which asyncssh would choose, where the processor has AES.
_FAST_CIPHERS: Final = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"


class _Keys(list[asyncssh.SSHKeyPair]):
    """Keys to offer. asyncssh takes an empty list for a request to use its own defaults."""

    def __bool__(self) -> bool:
        return True


async def connect(
    target: SshTarget,
    ask: AskLater,
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
    path = await _go_through(settings, ask, depth)
    try:
        connection = await _log_in(target, settings, ask, path, is_machine=is_machine)
    except BaseException:
        close_all(path)
        raise
    return (connection, *path)


def close_all(connections: Sequence[asyncssh.SSHClientConnection]) -> None:
    """Close connections without waiting."""
    for connection in connections:
        connection.close()


async def _go_through(
    settings: SshSettings, ask: AskLater, depth: int
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
            path = (*await _jump(target, ask, path, depth), *path)
        except BaseException:
            close_all(path)
            raise
    return path


async def _jump(
    target: SshTarget,
    ask: AskLater,
    path: Sequence[asyncssh.SSHClientConnection],
    depth: int,
) -> Sequence[asyncssh.SSHClientConnection]:
    if not path:
        return await connect(target, ask, depth=depth + 1)
    try:
        settings = await asyncio.to_thread(read_settings, target)
    except (ValueError, OSError) as exc:
        raise settings_not_valid(exc, target.name) from exc
    return (await _log_in(target, settings, ask, path, is_machine=False),)


async def _log_in(
    target: SshTarget,
    settings: SshSettings,
    ask: AskLater,
    path: Sequence[asyncssh.SSHClientConnection],
    *,
    is_machine: bool,
) -> asyncssh.SSHClientConnection:
    known: KnownKeys | None = None
    if not (is_machine and _is_loopback(settings.host)):
        files, name = settings.known_hosts, settings.known_name
        known = await asyncio.to_thread(read_known_keys, files, name=name)
    asking = ask if settings.may_ask else do_not_ask
    accepted: asyncssh.SSHKey | None = None
    for _ in range(_MOST_STRANGERS):
        login = Login(f"{settings.user}@{target.host}", asking)
        login.accepted = accepted
        try:
            return await _in_time(_dial(target, settings, known, login, path), settings, login)
        except asyncssh.HostKeyNotVerifiable as exc:
            if known is None or login.stranger is None:
                raise not_connected(exc, settings, login) from exc
            accepted = await trusted_key(login.stranger, known, settings, asking)
        except (OSError, asyncssh.Error, ValueError) as exc:
            raise not_connected(exc, settings, login) from exc
    msg = f"ssh to {target.name}: the host shows another key each time"
    raise EngineUnavailable(msg)


async def _in_time(
    work: Coroutine[None, None, asyncssh.SSHClientConnection],
    settings: SshSettings,
    login: Login,
) -> asyncssh.SSHClientConnection:
    """Wait for the connection; the time that the user takes to answer does not count."""
    limit = settings.get("ConnectTimeout")
    patience = limit if isinstance(limit, int) and limit > 0 else _PATIENCE
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=patience))[0]:
            if not login.has_asked_within(patience):
                msg = f"no answer within {patience} seconds"
                raise TimeoutError(msg)
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
    }
    if settings.get("ServerAliveInterval") is None:
        options |= _KEEPALIVE
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
    """Return which of the agent's keys to offer."""
    if not settings.only_identities:
        return {}
    keys = [key for file in settings.identities if (key := _public_key(file))]
    return {"agent_identities": keys} if keys else {"agent_path": None}


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
