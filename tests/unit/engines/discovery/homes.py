"""Made-up homes of users, with the files of each product as its published source writes them.

* podman-connections.json: containers/podman v5.8, vendor/go.podman.io/common/pkg/config/
  connections.go (`ConnectionsFile`, `Destination`); TLS fields: podman-system-connection-add(1) 5.7
* containers.conf: containers.conf(5) of podman 4.3 and 5.8, "service_destinations"
* podman machine: containers/podman v6, pkg/machine/vmconfigs/config.go (`MachineConfig`),
  pkg/machine/env/dir_darwin.go and vmconfigs/sockets_darwin.go (the sockets)
* docker's contexts: docker/cli v28, cli/context/store (metadatastore.go, tlsstore.go)
"""

from __future__ import annotations

import json
import socket
from hashlib import sha256
from typing import TYPE_CHECKING

from ramalama_engines.user import InvokingUser

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MACOS, LINUX = "darwin", "linux"
MACHINE = "podman-machine-default"
KEY = "/Users/me/.local/share/containers/podman/machine/machine"


def make_user(root: Path, env: Mapping[str, str] | None = None, *, uid: int = 1000) -> InvokingUser:
    return InvokingUser(env=env or {}, home=root / "home/me", uid=uid, root=root)


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def write_connections(
    user: InvokingUser, connections: Mapping[str, object], *, default: str = ""
) -> Path:
    """Write what `podman system connection add` writes."""
    table = {"Default": default, "Connections": connections}
    path = user.config_dir / "containers/podman-connections.json"
    return write(path, {"Connection": table, "Farm": {"List": {}}})


def machine_connections(*, port: int = 54321, uid: int = 501) -> dict[str, object]:
    """Return the two connections that `podman machine init` adds."""
    to = f"127.0.0.1:{port}"
    return {
        MACHINE: {
            "URI": f"ssh://core@{to}/run/user/{uid}/podman/podman.sock",
            "Identity": KEY,
            "IsMachine": True,
        },
        f"{MACHINE}-root": {
            "URI": f"ssh://root@{to}/run/podman/podman.sock",
            "Identity": KEY,
            "IsMachine": True,
        },
    }


def machine_file(name: str = MACHINE, **changes: object) -> dict[str, object]:
    """Return what podman 6 writes for a machine of the provider libkrun."""
    mounts = [
        {
            "OriginalInput": f"{path}:{path}",
            "ReadOnly": False,
            "Source": path,
            "Tag": "a2a0ee2c717462feb1de2f5afd59de5fd2d8",
            "Target": path,
            "Type": "virtiofs",
            "VSockNumber": None,
        }
        for path in ("/Users", "/private", "/var/folders")
    ]
    return {
        "Created": "2026-11-03T09:12:44.581237+01:00",
        "HostUser": {"Rootful": False, "UID": 501, "HostUserModified": False},
        "LastUp": "2026-11-30T08:00:11.117+01:00",
        "Mounts": mounts,
        "Name": name,
        "Resources": {"CPUs": 5, "DiskSize": 100, "Memory": 8192, "USBs": []},
        "SSH": {"IdentityPath": KEY, "Port": 54321, "RemoteUsername": "core"},
        "Version": 1,
        "Swap": 0,
        "ImagePath": {"Path": f"/Users/me/.local/share/containers/podman/machine/{name}.raw"},
        "LibKrunHypervisor": {"KRun": {"VirtualMachine": {"vcpus": 5}}},
        "Starting": False,
        "Rosetta": False,
        "Ansible": None,
        "ImportNativeCA": False,
        **changes,
    }


def write_machine(
    user: InvokingUser, name: str = MACHINE, provider: str = "libkrun", **changes: object
) -> Path:
    directory = user.config_dir / "containers/podman/machine" / provider
    return write(directory / f"{name}.json", machine_file(name, **changes))


def listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def write_context(docker_dir: Path, name: str, meta: object, *, pem: tuple[str, ...] = ()) -> Path:
    """Write what `docker context create` writes; *pem* are the names of its TLS files."""
    digest = sha256(name.encode()).hexdigest()
    for file in pem:
        write(docker_dir / "contexts/tls" / digest / "docker" / f"{file}.pem", "PEM")
    return write(docker_dir / "contexts/meta" / digest / "meta.json", meta)


def context_at(url: object, **fields: object) -> object:
    endpoint = {"Host": url, "SkipTLSVerify": False, **fields}
    return {"Name": "x", "Metadata": {}, "Endpoints": {"docker": endpoint}}
