"""The values that an engine receives and returns, named as in the OCI specifications.

All values are frozen. Paths are paths on the *engine's* host, which is this machine unless the
engine is remote.
"""

from __future__ import annotations

import re
from dataclasses import field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ramalama_engines.kinds import EngineKind

# Regular expressions are strings until they are used: compiling them takes time at import.
_CDI_NAME = r"[A-Za-z0-9][A-Za-z0-9.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*=[A-Za-z0-9][A-Za-z0-9_.:-]*"
_PERMISSIONS = r"r?w?m?"


@frozen()
class HostDevice:
    """A device node of the engine's host, and its path and permissions in the container."""

    source: str
    target: str
    permissions: str = "rwm"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``SRC[:DST[:PERMISSIONS]]``; podman-run(1) and docker-run(1), `--device`.

        ``SRC:rw`` (two fields, the second of permission letters) sets permissions, as in both
        command lines.

        Raises:
            ValueError: a path is not absolute, or the permissions are not made of r, w and m.
        """
        source, *rest = text.split(":")
        if len(rest) == 1 and rest[0] and re.fullmatch(_PERMISSIONS, rest[0]):
            rest = ["", rest[0]]
        target, permissions = [*rest, "", ""][:2]
        target, permissions = target or source, permissions or "rwm"
        if len(rest) > 2 or not re.fullmatch(_PERMISSIONS, permissions):  # noqa: PLR2004 (DST and PERMISSIONS)
            msg = f"{text!r} is not SRC[:DST[:PERMISSIONS]] with permissions made of r, w and m"
            raise ValueError(msg)
        for path in (source, target):
            if not path.startswith("/") or "\0" in path:
                msg = f"{path!r} in device {text!r} is not an absolute path"
                raise ValueError(msg)
        return cls(source=source, target=target, permissions=permissions)

    def format(self) -> str:
        """Return all three fields, in the form that `parse` reads."""
        return f"{self.source}:{self.target}:{self.permissions}"


@frozen()
class CdiDevice:
    """A device by its Container Device Interface name, ``vendor.com/class=name`` (CDI 0.8)."""

    name: str

    @staticmethod
    def is_name(text: str) -> bool:
        """Return whether *text* is a fully qualified CDI device name."""
        return re.fullmatch(_CDI_NAME, text) is not None


Device = HostDevice | CdiDevice


def parse_device(text: str) -> Device:
    """Parse a value of `--device`: a CDI name, or ``SRC[:DST[:PERMISSIONS]]``.

    Raises:
        ValueError: it is neither.
    """
    if CdiDevice.is_name(text):
        return CdiDevice(name=text)
    return HostDevice.parse(text)


@frozen()
class BindMount:
    """A file or directory of the engine's host; it must exist.

    *relabel* requests the shared SELinux label (`z` in podman-run(1), `--volume`); engines without
    SELinux ignore it.
    """

    source: str
    target: str
    read_only: bool = True
    relabel: bool = False


@frozen()
class TmpfsMount:
    """A file system in memory: *size* in bytes (None: half the memory), *mode* as in chmod(2).

    Programs and libraries in it can be run only if it is *executable*.
    """

    target: str
    size: int | None = None
    mode: int = 0o1777
    executable: bool = False


@frozen()
class VolumeMount:
    """A named volume of the engine, which creates it if there is none of that name.

    What the image has at *target* is not copied into the volume.
    """

    name: str
    target: str
    read_only: bool = True


Mount = BindMount | TmpfsMount | VolumeMount


@frozen()
class PortBinding:
    """A published TCP port of the container; *host_port* 0 lets the engine choose one."""

    container_port: int
    host_port: int = 0
    host_address: str = "127.0.0.1"


@frozen()
class Ulimit:
    """A resource limit of the container's processes, setrlimit(2); -1 means unlimited."""

    name: str
    soft: int
    hard: int


@frozen()
class ContainerSpec:
    """All options of a container; the adapters translate them for their engine.

    Attributes:
        image: reference of a local image.
        image_volumes: whether the image's volumes are made. Docker always makes them, with the
            image's files in them; Podman copies the files only when the container starts.
        entrypoint: None keeps the image's.
        command: arguments after the entrypoint; empty keeps the image's.
        name: None lets the engine choose one.
        network: "none", "host", "bridge" or another mode or network name of the engine.
        oci_runtime: None is the engine's default.
        selinux_options: label options in podman's short form: "disable", "type:…", "level:…".
        user: "uid[:gid]" inside the container; None keeps the image's.
        userns: user namespace mode, "keep-id", "host" …; None is the engine's default.
        groups: supplementary group IDs or names inside the container.
        keep_groups: keep the invoking user's supplementary groups (podman with crun only).
        pids_limit: largest number of processes; None is the engine's default.
        memory_limit: bytes of memory, and of swap space as well; None is unlimited.
        optional_limits: those of "pids_limit" and "memory_limit" without which the container may
            run if the engine cannot enforce them.
        log_size: bytes of the container's log, of which the engine then discards the oldest part.
            The engine keeps the log in a file, whatever its default is. None keeps the default.
        stop_signal: name as in signal(7), "SIGTERM"; None keeps the image's.
        stop_timeout: seconds between the stop signal and SIGKILL; None is the engine's default.
    """

    image: str
    image_volumes: bool = True
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] = ()
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    devices: tuple[Device, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ports: tuple[PortBinding, ...] = ()
    network: str = "none"
    oci_runtime: str | None = None
    privileged: bool = False
    selinux_options: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ("all",)
    no_new_privileges: bool = True
    read_only: bool = True
    user: str | None = None
    userns: str | None = None
    groups: tuple[str, ...] = ()
    keep_groups: bool = False
    ulimits: tuple[Ulimit, ...] = ()
    pids_limit: int | None = None
    memory_limit: int | None = None
    optional_limits: tuple[str, ...] = ()
    log_size: int | None = None
    init: bool = False
    stop_signal: str | None = None
    stop_timeout: int | None = None

    def without_optional_limits(self) -> Self:
        """Return the same container without the limits in *optional_limits*."""
        without: dict[str, None] = dict.fromkeys(self.optional_limits)
        return replace(self, **without)  # type: ignore[arg-type]  # both limits may be None


class ContainerStatus(StrEnum):
    """A container's status: those of the OCI runtime specification and those of the engines."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    EXITED = "exited"
    REMOVING = "removing"
    UNKNOWN = "unknown"


@frozen()
class ContainerState:
    """A container as the engine reports it.

    *exit_code* is None until the container has exited; it is 128 + n after signal n. *ports* are
    the published ports, with the host ports that the engine chose. *network* is the mode of its
    network ("none", "host", "bridge" …), which only `Engine.inspect` reports; None in a list.
    *labels* are those of the container and of its image, and cannot be told apart.
    """

    id: str
    name: str
    image: str
    status: ContainerStatus
    exit_code: int | None = None
    oom_killed: bool = False
    created: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    ports: tuple[PortBinding, ...] = ()
    network: str | None = None


@frozen()
class Volume:
    """A named volume; *created* is None if the engine does not say when it was."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    created: datetime | None = None


@frozen()
class ContainerFile:
    """A file in a container; *size* in bytes, *mode* has the permissions as in chmod(2).

    *is_special* says that it is neither a regular file nor a directory: a symbolic link, a device,
    a pipe or a socket.
    """

    size: int
    mode: int
    is_directory: bool
    is_special: bool = False


@frozen()
class LocalImage:
    """An image in the engine's local storage, with the needed parts of its configuration.

    *volumes* are the directories for which the engine makes a volume in each container.
    """

    id: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    volumes: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()


@frozen()
class PullProgress:
    """One step of a pull; *layer* is "" for the whole image, *current* and *total* are bytes."""

    layer: str
    status: str
    current: int | None = None
    total: int | None = None


@frozen()
class RegistryAuth:
    """A login for a registry."""

    username: str
    password: str = field(repr=False)


@frozen()
class EngineInfo:
    """An engine's information about itself.

    Attributes:
        url: the address where it answered.
        id: the ID that the engine gave itself; if it has none, one that is made of the name of its
            host and the path of its storage.
        host: the name of its host.
        cpus: the number of its host's processors; 0 if it does not say.
        memory: the bytes of its host's memory; 0 if it does not say.
        kernel: the release of the kernel that runs the containers, as in uname(2).
        oci_runtimes: names that a container may request (podman reports only its default).
        selinux: whether the engine separates containers with SELinux.
        limits_memory: whether the engine can limit the memory of a container.
        user_namespace: root in a container is not root on the host (rootless, userns-remap).
        cdi: whether the engine resolves CDI names; None if it does not say.
        cdi_devices: the CDI names that it lists; podman lists none.
    """

    kind: EngineKind
    version: str
    api_version: str
    url: str
    rootless: bool
    user_namespace: bool
    oci_runtime: str
    oci_runtimes: tuple[str, ...]
    selinux: bool
    cgroup_version: int
    id: str = ""
    host: str = ""
    cpus: int = 0
    memory: int = 0
    kernel: str = ""
    limits_memory: bool = True
    cdi: bool | None = None
    cdi_devices: tuple[str, ...] = ()
