"""Convert a ContainerSpec into libpod's SpecGenerator, the body of its create request.

podman-py's own conversion is not used, because it loses options silently: security options, tmpfs
mounts and more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from ramalama_engines.errors import UnsupportedOption
from ramalama_engines.spec import BindMount, CdiDevice, HostDevice, TmpfsMount, VolumeMount

if TYPE_CHECKING:
    from ramalama_engines.spec import ContainerSpec, Device, PortBinding, Ulimit

KEEP_GROUPS = "run.oci.keep_original_groups"  # crun's annotation; the API has no field for it
LOG_DRIVER = "k8s-file"
SELINUX_LABEL = "io.podman.annotations.label"  # set as by podman's command line; shown by inspect

_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 (podman's meaning of an empty address)
_UNLIMITED = 2**64 - 1  # podman before 5.5 answers -1 with status 500
# fmt: off
_RLIMITS = frozenset((
    "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile",
    "nproc", "rss", "rtprio", "rttime", "sigpending", "stack",
))
# The engine's host runs Linux; this machine may number its signals differently: signal(7).
_SIGNALS: tuple[str, ...] = (
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
)
# fmt: on
_NETWORK_MODES = frozenset({"none", "host", "bridge", "private", "slirp4netns", "pasta"})


def libpod_spec(spec: ContainerSpec) -> dict[str, Any]:
    """Return the body of ``POST /libpod/containers/create``.

    Options that *spec* turns off are sent as false, since containers.conf may have turned them on.

    Raises:
        UnsupportedOption: an rlimit or a signal has a name that Linux does not know, or a volume
            has an invalid name.
    """
    body: dict[str, Any] = {
        "image": spec.image,
        "labels": dict(spec.labels),
        "env": dict(spec.env),
        "devices": [{"path": _device(device)} for device in spec.devices],
        "mounts": [_mount(m) for m in spec.mounts if not isinstance(m, VolumeMount)],
        "portmappings": [_port(port) for port in spec.ports],
        **network_fields(spec.network),
        "annotations": asked_annotations(spec),
        "selinux_opts": list(spec.selinux_options),
        "privileged": spec.privileged,
        "cap_drop": list(spec.cap_drop),
        "no_new_privileges": spec.no_new_privileges,
        "read_only_filesystem": spec.read_only,
        "read_write_tmpfs": False,
        "groups": list(spec.groups),
        "r_limits": [_rlimit(limit) for limit in spec.ulimits],
        "resource_limits": _resource_limits(spec),
        "init": spec.init,
        # An image's own health check does not know how its program was started here.
        "healthconfig": {"Test": ["NONE"]},
    }
    return body | _optional_fields(spec)


def _optional_fields(spec: ContainerSpec) -> dict[str, Any]:
    fields = {
        "name": spec.name,
        "entrypoint": None if spec.entrypoint is None else list(spec.entrypoint),
        "command": list(spec.command) or None,
        "volumes": [_volume(m) for m in spec.mounts if isinstance(m, VolumeMount)] or None,
        "oci_runtime": spec.oci_runtime,
        "user": spec.user,
        "userns": None if spec.userns is None else _namespace(spec.userns),
        "stop_signal": None if spec.stop_signal is None else signal_number(spec.stop_signal),
        "stop_timeout": spec.stop_timeout,
        "image_volume_mode": None if spec.image_volumes else "ignore",
        "log_configuration": None if spec.log_size is None else _log(spec.log_size),
    }
    return {name: value for name, value in fields.items() if value is not None}


def signal_number(name: str) -> int:
    """Return the Linux number of the signal *name*, with or without its ``SIG``.

    Raises:
        UnsupportedOption: there is no such signal.
    """
    try:
        return _SIGNALS.index(name.upper().removeprefix("SIG")) + 1
    except ValueError:
        msg = f"there is no signal named {name!r}; see signal(7)"
        raise UnsupportedOption(msg, engine="podman") from None


def network_fields(network: str) -> dict[str, Any]:
    """Return the fields for *network*: a mode of podman-run(1), `--network`, or a name."""
    mode = network.partition(":")[0]
    if mode in _NETWORK_MODES or mode in {"container", "ns"}:
        return {"netns": _namespace(network)}
    return {"netns": {"nsmode": "bridge"}, "networks": {network: {}}}


def _namespace(mode: str) -> dict[str, str]:
    """Split ``mode[:value]``, as podman-run(1) writes its namespace options."""
    name, _, value = mode.partition(":")
    fields = {"nsmode": "path" if name == "ns" else name}
    return fields | {"value": value} if value else fields


def _device(device: Device) -> str:
    match device:
        case HostDevice():
            return device.format()
        case CdiDevice():
            return device.name
        case _:
            assert_never(device)


def _volume(mount: VolumeMount) -> dict[str, Any]:
    from ramalama_engines.rest.volumes import (  # noqa: PLC0415 (a local run has no volumes)
        check_volume_name,
    )

    options = ["ro" if mount.read_only else "rw", "nocopy"]
    return {
        "Name": check_volume_name(mount.name, engine="podman"),
        "Dest": mount.target,
        "Options": options,
    }


def _mount(mount: BindMount | TmpfsMount) -> dict[str, Any]:
    match mount:
        case BindMount():
            options = ["ro" if mount.read_only else "rw", *(["z"] if mount.relabel else [])]
            kind, source = "bind", mount.source
        case TmpfsMount():
            options = tmpfs_options(mount)
            kind = source = "tmpfs"
        case _:
            assert_never(mount)
    return {"type": kind, "source": source, "destination": mount.target, "options": options}


def tmpfs_options(mount: TmpfsMount) -> list[str]:
    """Return the mount options of *mount*, tmpfs(5)."""
    size = [] if mount.size is None else [f"size={mount.size}"]
    return [*size, f"mode={mount.mode:o}", "exec" if mount.executable else "noexec"]


def _port(port: PortBinding) -> dict[str, Any]:
    return {
        "container_port": port.container_port,
        "host_port": port.host_port,
        # With an explicit 0.0.0.0, netavark (Podman 4.3) forwards only what is sent to that
        # address.
        "host_ip": "" if port.host_address == _ANY_ADDRESS else port.host_address,
        "protocol": "tcp",
    }


def asked_annotations(spec: ContainerSpec) -> dict[str, str]:
    """Return the annotations that *spec* asks for; podman adds its own, and those of the image."""
    asked: dict[str, str] = {}
    if spec.selinux_options:
        asked[SELINUX_LABEL] = ",label=".join(spec.selinux_options)
    if spec.keep_groups:
        asked[KEEP_GROUPS] = "1"
    return asked


def _rlimit(limit: Ulimit) -> dict[str, Any]:
    if limit.name not in _RLIMITS:
        msg = f"there is no resource limit named {limit.name!r}; see setrlimit(2)"
        raise UnsupportedOption(msg, engine="podman")
    soft, hard = (_UNLIMITED if value < 0 else value for value in (limit.soft, limit.hard))
    return {"type": limit.name, "soft": soft, "hard": hard}


def _resource_limits(spec: ContainerSpec) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if spec.pids_limit is not None:
        limits["pids"] = {"limit": spec.pids_limit}
    if spec.memory_limit is not None:
        limits["memory"] = _memory_limit(spec.memory_limit)
    return limits


def _log(size: int) -> dict[str, Any]:
    """Limit the log; journald, the default on many systems, has no limit for one container."""
    return {"driver": LOG_DRIVER, "size": size}


def _memory_limit(limit: int) -> dict[str, int]:
    """Limit memory and swap space together to twice *limit*, as both command lines do."""
    return {"limit": limit, "swap": 2 * limit} if limit > 0 else {"limit": limit}
