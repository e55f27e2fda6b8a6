"""Decide whether to trust a host whose key is not known; `StrictHostKeyChecking`."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.ssh.asking import AskLater, Question
from ramalama_engines.ssh.host_keys import add_known_key
from ramalama_engines.ssh.settings import HostKeyPolicy

if TYPE_CHECKING:
    import asyncssh

    from ramalama_engines.ssh.host_keys import KnownKeys
    from ramalama_engines.ssh.settings import SshSettings

_NO_COMMAND: Final = "KnownHostsCommand of ssh_config(5) is not supported"

_log = logging.getLogger(__name__)


async def trusted_key(
    key: asyncssh.SSHKey, known: KnownKeys, settings: SshSettings, ask: AskLater
) -> asyncssh.SSHKey:
    """Return *key* if it may be trusted, after it was added to the known hosts.

    Raises:
        EngineUnavailable: it may not: it is unknown, or the host is known by another one.
    """
    if known.has_other(key):
        if settings.policy is HostKeyPolicy.ACCEPT:
            _log.warning("ssh: the host key of %s has changed", settings.known_name)
            return key
        raise _changed(key, settings)
    match _policy(settings):
        case HostKeyPolicy.REFUSE:
            raise _unknown(key, settings)
        case HostKeyPolicy.ASK:
            answer = await ask(Question(_question(key, settings), is_secret=False))
            if answer is None or answer.strip() not in ("yes", key.get_fingerprint()):
                raise _unknown(key, settings)
        case HostKeyPolicy.ACCEPT_NEW | HostKeyPolicy.ACCEPT:
            pass
    await asyncio.to_thread(_remember, key, settings)
    return key


def _policy(settings: SshSettings) -> HostKeyPolicy:
    """Return the policy; the user is asked about a host that only a command may know."""
    if settings.knows_by_command and settings.policy is HostKeyPolicy.ACCEPT_NEW:
        return HostKeyPolicy.ASK
    return settings.policy


def _remember(key: asyncssh.SSHKey, settings: SshSettings) -> None:
    if not settings.known_hosts:
        return
    file = settings.known_hosts[0]
    try:
        add_known_key(file, key, name=settings.known_name, hashed=settings.hash_known_hosts)
    except OSError as exc:
        _log.warning("%s: the host key of %s is not added: %s", file, settings.known_name, exc)


def _question(key: asyncssh.SSHKey, settings: SshSettings) -> str:
    more = f"({_NO_COMMAND}.)\n" if settings.knows_by_command else ""
    return (
        f"{more}The authenticity of host '{settings.known_name}' can't be established.\n"
        f"{_kind(key)} key fingerprint is {key.get_fingerprint()}.\n"
        "Are you sure you want to continue connecting (yes/no/[fingerprint])? "
    )


def _unknown(key: asyncssh.SSHKey, settings: SshSettings) -> EngineUnavailable:
    msg = (
        f"ssh: the host {settings.known_name} is not known"
        f" ({_kind(key)} key {key.get_fingerprint()})"
    )
    port = "" if settings.port == 22 else f"-p {settings.port} "  # noqa: PLR2004 (ssh's)
    command = f"ssh {port}{settings.user}@{settings.options.orig_host}"
    hint = f"check the key and add it with: {command}"
    if settings.knows_by_command:
        hint = f"{_NO_COMMAND}: {hint}"
    return EngineUnavailable(msg, hint=hint)


def _changed(key: asyncssh.SSHKey, settings: SshSettings) -> EngineUnavailable:
    msg = (
        f"ssh: the key of the host {settings.known_name} has changed, so it may be another host"
        f" ({_kind(key)} key {key.get_fingerprint()})"
    )
    hint = f"if you know why, remove the old key with: ssh-keygen -R '{settings.known_name}'"
    return EngineUnavailable(msg, hint=hint)


def _kind(key: asyncssh.SSHKey) -> str:
    name = key.get_algorithm()
    return name.removeprefix("ssh-").partition("-")[0].upper()
