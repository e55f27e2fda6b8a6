"""Say in one line why there is no connection over ssh, and what to do."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Final

import asyncssh

from ramalama_engines.errors import EngineUnavailable
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from ramalama_engines.ssh.login import Login
    from ramalama_engines.ssh.settings import SshSettings

_IS_IT_UP: Final = "is the host up, and may this one reach it?"
_LONGEST: Final = 300  # characters of what the far side says


def settings_not_valid(exc: Exception, name: str) -> EngineUnavailable:
    """Return the error for settings of ssh that cannot be used for the host *name*."""
    msg = f"ssh to {name}: ssh's settings are not valid: {one_line(str(exc))}"
    return EngineUnavailable(msg, hint="see ~/.ssh/config")


def not_connected(exc: Exception, settings: SshSettings, login: Login) -> EngineUnavailable:
    """Return the error for a connection that failed with *exc*."""
    if isinstance(exc, asyncssh.PermissionDenied):
        return _refused(login)
    where = f"{settings.host} port {settings.port}"
    hint = _IS_IT_UP
    match exc:
        case asyncssh.HostKeyNotVerifiable():
            reason, hint = _said(exc), "see ~/.ssh/known_hosts"
        case asyncssh.ChannelOpenError():
            reason = f"the host to jump over does not reach {where}: {_said(exc)}"
        case asyncssh.Error():
            reason, hint = _said(exc), f"is there an ssh service at {where}?"
        case socket.gaierror():
            reason, hint = f"the host name {settings.host} cannot be resolved", "check the name"
        case TimeoutError():
            reason = f"{where}: {one_line(str(exc)) or 'no answer in time'}"
        case ConnectionRefusedError():
            reason, hint = (
                f"{where}: {_of_the_system(exc)}",
                "is sshd started, and is that its port?",
            )
        case OSError():
            reason = f"{where}: {_of_the_system(exc)}"
        case _:
            return settings_not_valid(exc, login.name)
    return EngineUnavailable(f"ssh to {login.name}: {one_line(reason)}", hint=hint)


def _said(exc: asyncssh.Error) -> str:
    return one_line(exc.reason, longest=_LONGEST)


def _of_the_system(exc: OSError) -> str:
    match exc.errno:
        case errno.ECONNREFUSED:
            return "no ssh service listens there"
        case errno.EHOSTUNREACH | errno.ENETUNREACH:
            return "no route to the host"
        case _:
            return one_line(exc.strerror or str(exc))


def _refused(login: Login) -> EngineUnavailable:
    if login.locked:
        files = ", ".join(str(file) for file in login.locked)
        msg = f"ssh to {login.name}: the key {files} needs a passphrase, and was not unlocked"
        return EngineUnavailable(msg, hint=f"unlock it with: ssh-add {login.locked[0]}")
    if login.unasked:
        msg = f"ssh to {login.name}: the host wants {login.unasked[-1]}"
        return EngineUnavailable(msg, hint="use a key, or a terminal to be asked for it")
    msg = f"ssh to {login.name}: the host accepts none of the user's keys"
    hint = "add a key to the host's ~/.ssh/authorized_keys, or name one with IdentityFile"
    return EngineUnavailable(msg, hint=hint)
