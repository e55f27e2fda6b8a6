"""Read the virtual machines that `podman machine init` makes, from the files that describe them.

The format is that of podman 5 and 6 (pkg/machine/vmconfigs/config.go, MachineConfig), a file for
each machine in the directory of its provider:

    $XDG_CONFIG_HOME/containers/podman/machine/PROVIDER/NAME.json

A running machine forwards the API of its podman to a socket of this host, which is the rootful
podman's if the machine is rootful (pkg/machine/env/dir_darwin.go, vmconfigs/sockets_darwin.go):

    $TMPDIR/podman/NAME-api.sock            macOS; /tmp without the variable
    ~/.podman/NAME-api.sock                 a link, if that path has more than 103 bytes
    $XDG_RUNTIME_DIR/podman/NAME-api.sock   elsewhere

Whether a machine runs is not written in any file: its socket answers, or does not.
"""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama_engines.address import EngineAddress
from ramalama_engines.discovery.known_sockets import MACOS
from ramalama_engines.registry_auth.json_file import JsonFileError, read_object
from ramalama_values import frozen
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ramalama_engines.user import InvokingUser

DEFAULT_NAME = "podman-machine-default"

_PROVIDERS = ("libkrun", "applehv", "qemu")  # the default of podman 6 on macOS comes first
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_LONGEST_SOCKET_PATH = 103  # bytes; pkg/machine/define/vmfile.go
_MOST_MACHINES = 32
_MOST_MOUNTS = 100
_LARGEST_PORT = 65535


@frozen()
class MachineMount:
    """A directory of this host that the machine sees, at *target*."""

    source: str
    target: str
    is_read_only: bool


@frozen()
class PodmanMachine:
    """A virtual machine with podman.

    Attributes:
        provider: what runs it: "libkrun", "applehv" or "qemu".
        socket: where it forwards the API of podman to while it runs.
        port, user, identity_file: for ssh, on 127.0.0.1.
        uid: the user ID of *user* in the machine.
        is_rootful: whether *socket* leads to the rootful podman.
        mounts: the directories of this host that it sees; containers can mount only these.
        problem: why the file cannot be used, "" if it can; then only the name is known.
    """

    name: str
    provider: str
    socket: Path
    port: int = 0
    user: str = ""
    identity_file: Path | None = None
    uid: int = 0
    is_rootful: bool = False
    mounts: Sequence[MachineMount] = ()
    problem: str = ""

    @property
    def start(self) -> str:
        """The command that starts it."""
        return f"podman machine start{'' if self.name == DEFAULT_NAME else f' {self.name}'}"

    @property
    def mend(self) -> str:
        """The commands after which it runs, and can be used."""
        if self.problem:
            make = f"podman machine init {self.name} && {self.start}"
            return f"podman machine rm {self.name} && {make}"
        if self.is_rootful:
            set_rootless = f"podman machine set --rootful=false {self.name}"
            return f"podman machine stop {self.name}; {set_rootless} && {self.start}"
        return self.start

    def ssh_address(self, *, root: bool = False) -> EngineAddress:
        """Return the address of its podman, or of root's, over ssh (vmconfigs, connection.go)."""
        user = "root" if root else self.user
        path = "/run" if root else f"/run/user/{self.uid}"
        url = f"ssh://{user}@127.0.0.1:{self.port}{path}/podman/podman.sock"
        return EngineAddress(url=url, identity_file=self.identity_file, is_machine=True)


def machines(user: InvokingUser, platform: str) -> Sequence[PodmanMachine]:
    """Return the machines: the default one first, those of the preferred provider before others.

    `CONTAINERS_MACHINE_PROVIDER` names this provider. A file that cannot be used is a machine with
    a *problem*.
    """
    preferred = user.env.get("CONTAINERS_MACHINE_PROVIDER")
    providers = sorted(_PROVIDERS, key=lambda name: name != preferred)
    found = [
        _read(user, path, platform) for provider in providers for path in _files(user, provider)
    ]
    return sorted(found, key=lambda machine: machine.name != DEFAULT_NAME)


def _files(user: InvokingUser, provider: str) -> Iterator[Path]:
    directory = user.config_dir / "containers/podman/machine" / provider
    for path in sorted(islice(directory.glob("*.json"), _MOST_MACHINES)):
        if re.fullmatch(_NAME, path.stem):
            yield path


def _read(user: InvokingUser, file: Path, platform: str) -> PodmanMachine:
    name, provider, socket = file.stem, file.parent.name, _socket(user, file.stem, platform)
    broken = PodmanMachine(name=name, provider=provider, socket=socket)
    try:
        content = read_object(file)
    except FileNotFoundError:
        return _with_problem(broken, f"{file} does not exist any more")
    except JsonFileError as exc:
        return _with_problem(broken, str(exc))
    if not content.get("Version"):  # podman itself refuses these
        again = f"podman machine rm {name}; podman machine init {name}"
        return _with_problem(broken, f"{file} is of podman 4 or older; make it anew: {again}")
    ssh, host = content.get("SSH"), content.get("HostUser")
    if not is_object(ssh) or not is_object(host) or not _is_valid(ssh, host):
        return _with_problem(broken, f"{file} has no valid SSH or HostUser")
    identity = str(ssh.get("IdentityPath") or "")
    return PodmanMachine(
        name=name,
        provider=provider,
        socket=socket,
        port=_integer(ssh.get("Port")),
        user=str(ssh.get("RemoteUsername")),
        identity_file=Path(identity) if identity else None,
        uid=_integer(host.get("UID")),
        is_rootful=host.get("Rootful") is True,
        mounts=tuple(_mounts(content.get("Mounts"))),
    )


def _with_problem(machine: PodmanMachine, problem: str) -> PodmanMachine:
    return PodmanMachine(
        name=machine.name, provider=machine.provider, socket=machine.socket, problem=problem
    )


def _is_valid(ssh: Mapping[str, object], host: Mapping[str, object]) -> bool:
    name, identity = ssh.get("RemoteUsername"), ssh.get("IdentityPath", "")
    return (
        isinstance(name, str)
        and re.fullmatch(_NAME, name) is not None
        and 0 < _integer(ssh.get("Port")) <= _LARGEST_PORT
        and isinstance(identity, str)
        and identity.isprintable()
        and 0 <= _integer(host.get("UID")) < 2**32
    )


def _integer(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _mounts(value: object) -> Iterator[MachineMount]:
    for mount in value[:_MOST_MOUNTS] if is_array(value) else ():
        if is_object(mount):
            source, target = mount.get("Source"), mount.get("Target")
            if isinstance(source, str) and isinstance(target, str):
                read_only = mount.get("ReadOnly") is True
                yield MachineMount(source=source, target=target, is_read_only=read_only)


def _socket(user: InvokingUser, name: str, platform: str) -> Path:
    file = f"{name}-api.sock"
    if platform != MACOS:
        return (user.root / "run" if user.is_root else user.runtime_dir) / "podman" / file
    temporary = user.env.get("TMPDIR")
    path = (Path(temporary) if temporary else user.root / "tmp") / "podman" / file
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        return user.home / ".podman" / file
    return path
