"""Settings of ssh for one host: ssh_config(5), as far as asyncssh does not heed them itself."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import asyncssh
from asyncssh.config import SSHClientConfig

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama_engines.ssh.target import SshTarget

_PORT: Final = 22
_SYSTEM_FILE: Final = "/etc/ssh/ssh_config"
_SYSTEM_KNOWN_HOSTS: Final = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_KNOWN_HOSTS: Final = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_IDENTITIES: Final = tuple(
    f"~/.ssh/id_{kind}" for kind in ("rsa", "ecdsa", "ecdsa_sk", "ed25519", "ed25519_sk", "dsa")
)
_TOKEN: Final = re.compile(r"%([%dhiknpru])")

# asyncssh reads over these.
_MORE: Final = ("BatchMode", "HashKnownHosts", "StrictHostKeyChecking")
_COMMAND: Final = "KnownHostsCommand"

_AGENT_VARIABLE: Final = "SSH_AUTH_SOCK"


class HostKeyPolicy(StrEnum):
    """What to do about the key of a host that is not known; `StrictHostKeyChecking`."""

    REFUSE = "yes"
    ASK = "ask"
    ACCEPT_NEW = "accept-new"
    ACCEPT = "no"

    @classmethod
    def parse(cls, value: object) -> HostKeyPolicy:
        """Return the policy that a file of settings names; the default for anything else."""
        match str(value).lower():
            case "yes" | "true":
                return cls.REFUSE
            case "accept-new":
                return cls.ACCEPT_NEW
            case "no" | "off" | "false":
                return cls.ACCEPT
            case _:
                return cls.ASK


@frozen()
class SshSettings:
    """The settings for one host.

    Attributes:
        options: those that asyncssh heeds itself.
        files: the files that were read.
        host, port, user: where to connect, and as whom.
        jumps: the hosts to go through, as `ProxyJump` names them.
        known_name: the name of the host in the files of known hosts.
        known_hosts: these files; the first is the one to add to.
        identities: the files of keys that exist.
        only_identities: whether other keys of the agent are not offered.
        agent: the socket of the agent, None for no agent.
        knows_by_command: whether a command has more keys of hosts; it is not run.
        may_ask: whether the user may be asked anything.
    """

    options: asyncssh.SSHClientConnectionOptions
    files: Sequence[str]
    host: str
    port: int
    user: str
    jumps: str | None
    known_name: str
    known_hosts: Sequence[Path]
    policy: HostKeyPolicy
    hash_known_hosts: bool
    identities: Sequence[Path]
    only_identities: bool
    agent: str | None
    knows_by_command: bool
    may_ask: bool

    def get(self, option: str) -> object:
        """Return an option by its name in ssh_config(5), None if it is not set."""
        return self.options.config.get(option)


def read_settings(target: SshTarget, *, identity_file: Path | None = None) -> SshSettings:
    """Read the user's settings and the system's for *target*.

    It runs the commands of ``Match exec``, as ssh does.

    Raises:
        ValueError: a file of settings is not valid.
        OSError: a file cannot be read.
    """
    _heed_more()
    paths = [str(Path("~/.ssh/config").expanduser()), _SYSTEM_FILE]
    files = [path for path in paths if os.access(path, os.R_OK)]
    given: dict[str, Any] = {"username": target.user, "port": target.port}
    options = asyncssh.SSHClientConnectionOptions(
        host=target.host,
        config=files,
        client_keys=None,
        known_hosts=None,
        **{name: value for name, value in given.items() if value is not None},
    )
    return _settings(target, options, files, identity_file)


def _settings(
    target: SshTarget,
    options: asyncssh.SSHClientConnectionOptions,
    files: Sequence[str],
    identity_file: Path | None,
) -> SshSettings:
    get, alias = options.config.get, options.host_key_alias
    tokens = {
        "%": "%",
        "d": str(Path.home()),
        "h": options.host,
        "i": str(os.getuid()),
        "k": alias or target.host,
        "n": target.host,
        "p": str(options.port),
        "r": options.username,
        "u": options.client_username,
    }
    users = cast("Sequence[str]", get("UserKnownHostsFile", _KNOWN_HOSTS))
    systems = cast("Sequence[str]", get("GlobalKnownHostsFile", _SYSTEM_KNOWN_HOSTS))
    identities = cast("Sequence[str]", get("IdentityFile", _IDENTITIES))
    named = [_path(name, tokens) for name in identities]
    return SshSettings(
        options=options,
        files=files,
        host=options.host,
        port=options.port,
        user=options.username,
        jumps=options.tunnel if isinstance(options.tunnel, str) else None,
        known_name=alias or known_name(options.host, options.port),
        known_hosts=[_path(name, tokens) for name in (*users, *systems)],
        policy=HostKeyPolicy.parse(get("StrictHostKeyChecking")),
        hash_known_hosts=str(get("HashKnownHosts")).lower() in ("yes", "true"),
        identities=_existing([identity_file, *named] if identity_file else named),
        only_identities=bool(get("IdentitiesOnly")),
        agent=_agent(get("IdentityAgent", _AGENT_VARIABLE)),
        knows_by_command=bool(get(_COMMAND)),
        may_ask=str(get("BatchMode")).lower() not in ("yes", "true"),
    )


def _agent(setting: object) -> str | None:
    """Return the socket that `IdentityAgent` names, None for no agent."""
    if not isinstance(setting, str):  # the word `none`
        return None
    if setting == _AGENT_VARIABLE:
        return os.environ.get(_AGENT_VARIABLE)
    if setting.startswith("$"):  # asyncssh has replaced ${VARIABLE}
        return os.environ.get(setting[1:])
    return str(Path(setting).expanduser())


def _heed_more() -> None:
    """Let asyncssh's reader keep the options that it reads over."""
    reader: Any = SSHClientConfig
    for option in _MORE:
        reader._handlers.setdefault(option.lower(), (option, reader._set_string))  # noqa: SLF001 (it has no door for this)
    reader._handlers.setdefault(_COMMAND.lower(), (_COMMAND, reader._set_string_list))  # noqa: SLF001


def known_name(host: str, port: int) -> str:
    """Return the name of a host in the files of known hosts."""
    host = host.lower()
    return host if port == _PORT else f"[{host}]:{port}"


def _path(name: str, tokens: dict[str, str]) -> Path:
    expanded = _TOKEN.sub(lambda token: tokens[token[1]], name)
    return Path(expanded).expanduser()


def _existing(paths: Sequence[Path]) -> Sequence[Path]:
    """Return each file once; the public part of a key whose private part only the agent has."""
    found: dict[Path, None] = {}
    for path in paths:
        public = path.with_name(f"{path.name}.pub")
        if path.is_file():
            found[path] = None
        elif public.is_file():
            found[public] = None
    return list(found)
