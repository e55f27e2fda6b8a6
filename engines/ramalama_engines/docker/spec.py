"""Convert a ContainerSpec into the body of ``POST /containers/create``, and check the result.

There is no I/O here. Source: Docker Engine API 1.41 and later, and the behavior of daemons since
20.10.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, assert_never, cast

from ramalama_engines.spec import BindMount, CdiDevice, HostDevice, TmpfsMount, VolumeMount

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from ramalama_engines.spec import ContainerSpec, Mount, PortBinding

Json = dict[str, Any]

_NOTHING: Json = {}
_BUILTIN_NETWORKS = ("none", "host", "bridge", "default")

# Docker's names for the options of ContainerSpec that it reports back.
_OPTIONS = {
    "Cmd": "command",
    "Entrypoint": "entrypoint",
    "Env": "env",
    "Labels": "labels",
    "User": "user",
    "StopSignal": "stop_signal",
    "StopTimeout": "stop_timeout",
    "NetworkMode": "network",
    "PortBindings": "ports",
    "Mounts": "mounts",
    "Binds": "mounts",
    "Tmpfs": "mounts",
    "Devices": "devices",
    "DeviceRequests": "devices",
    "Runtime": "oci_runtime",
    "Privileged": "privileged",
    "SecurityOpt": "selinux_options or no_new_privileges",
    "CapDrop": "cap_drop",
    "ReadonlyRootfs": "read_only",
    "UsernsMode": "userns",
    "GroupAdd": "groups",
    "Ulimits": "ulimits",
    "PidsLimit": "pids_limit",
    "Memory": "memory_limit",
    "Init": "init",
    "LogConfig": "log_size",
}
_LOG_FILES = 2  # Docker discards the older one


def refusals(spec: ContainerSpec) -> Iterator[str]:
    """Yield what Docker cannot do of *spec*, as far as that is known without asking the daemon.

    Docker accepts each of these silently and does something else.
    """
    if spec.keep_groups:
        yield "keep the user's groups (keep_groups); Podman with crun can"
    if spec.userns not in (None, "host"):
        yield (
            f"map users as userns {spec.userns!r} says, only 'host'; give user as uid:gid, "
            "or set userns-remap in its daemon.json"
        )
    if spec.privileged and spec.cap_drop:
        yield "drop capabilities (cap_drop) of a privileged container, which gets all of them"
    if spec.ports and (spec.network in ("none", "host") or spec.network.startswith("container:")):
        yield f"publish ports with network {spec.network!r}"
    for port in spec.ports:
        if not _is_address(port.host_address):
            yield (
                f"publish on {port.host_address!r}, which is not an IP address; "
                "it would publish on all addresses"
            )
    for name in spec.env:
        if not name or "=" in name:
            yield f"set the variable {name!r}; a name has no '=' and is not empty"


def named_network(spec: ContainerSpec) -> str | None:
    """Return the network that must exist before the container starts; None for built-in modes."""
    if spec.network in _BUILTIN_NETWORKS or spec.network.startswith("container:"):
        return None
    return spec.network


def has_cdi(spec: ContainerSpec) -> bool:
    """Return whether a device is requested by its CDI name."""
    return any(isinstance(device, CdiDevice) for device in spec.devices)


def renamed_devices(spec: ContainerSpec) -> Iterator[HostDevice]:
    """Yield the devices that have another path in the container than on the host."""
    for device in spec.devices:
        if isinstance(device, HostDevice) and device.source != device.target:
            yield device


def wants_relabel(spec: ContainerSpec) -> bool:
    """Return whether a mount requests a new SELinux label."""
    return any(isinstance(mount, BindMount) and mount.relabel for mount in spec.mounts)


def unrelabelable(spec: ContainerSpec) -> Iterator[str]:
    """Yield the mounts that cannot get a new label.

    Only the short form of a bind mount, ``source:target:ro,z``, can request it.
    """
    for mount in spec.mounts:
        if isinstance(mount, BindMount) and mount.relabel and ":" in mount.source + mount.target:
            yield (
                f"relabel {mount.source!r} for SELinux, because of its ':'; rename it, "
                "or disable SELinux separation for the container"
            )


def create_body(spec: ContainerSpec, *, relabel: bool) -> Json:
    """Return the body of ``POST /containers/create``.

    *relabel* says whether mounts that request a new SELinux label get it, which depends on the
    daemon. It requires the short form of a bind mount, which is checked less strictly.
    """
    body: Json = {
        "Image": spec.image,
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "Labels": dict(spec.labels),
        "ExposedPorts": {_port_key(port): {} for port in spec.ports},
        # An image's own health check does not know how its program was started here.
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host_config(spec) | _mounts(spec, relabel=relabel),
    }
    # An empty command keeps the image's; an empty entrypoint removes the image's.
    optional = {
        "Cmd": list(spec.command) or None,
        "Entrypoint": None if spec.entrypoint is None else list(spec.entrypoint),
        "User": spec.user,
        "StopSignal": spec.stop_signal,
        "StopTimeout": spec.stop_timeout,
    }
    return body | _given(optional)


def dropped(
    body: Json, inspected: Mapping[str, Any], *, optional: Collection[str] = ()
) -> tuple[str, ...]:
    """Compare *body* with ``GET /containers/{id}/json``; return the options that differ.

    A daemon that does not know a field, or whose kernel does not support it, shows that only here.
    It may add values (the image's environment, its own limits). An option in *optional* may be
    missing.
    """
    sent = body | body["HostConfig"]
    made: Json = inspected["Config"] | inspected["HostConfig"]
    return tuple(
        dict.fromkeys(
            option
            for name, option in _OPTIONS.items()
            if name in sent
            and option not in optional
            and not _same(name, sent[name], made.get(name))
        )
    )


def _host_config(spec: ContainerSpec) -> Json:
    config: Json = {
        "NetworkMode": "bridge" if spec.network == "default" else spec.network,
        "PortBindings": _port_bindings(spec.ports),
        "Privileged": spec.privileged,
        "CapDrop": [_capability(name) for name in spec.cap_drop],
        "SecurityOpt": _security_options(spec),
        "ReadonlyRootfs": spec.read_only,
        "GroupAdd": list(spec.groups),
        "Devices": _devices(spec),
        "DeviceRequests": _cdi_requests(spec),
        "Ulimits": [
            {"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard} for limit in spec.ulimits
        ],
        "Init": spec.init,  # always sent: daemon.json may set it to true by default
    }
    optional = {
        "Runtime": spec.oci_runtime,
        "UsernsMode": spec.userns,
        "PidsLimit": spec.pids_limit,
        "Memory": spec.memory_limit,
        "LogConfig": None if spec.log_size is None else _log_config(spec.log_size),
    }
    return config | _given(optional)


def _given(options: Mapping[str, Any]) -> Json:
    return {name: value for name, value in options.items() if value is not None}


def _log_config(size: int) -> Json:
    """Limit the log; another driver of the daemon's choice may not know these options."""
    options = {"max-size": str(max(1, size // _LOG_FILES)), "max-file": str(_LOG_FILES)}
    return {"Type": "json-file", "Config": options}


def _port_key(port: PortBinding) -> str:
    return f"{port.container_port}/tcp"


def _port_bindings(ports: tuple[PortBinding, ...]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        binding = {"HostIp": port.host_address, "HostPort": str(port.host_port or "")}
        bindings.setdefault(_port_key(port), []).append(binding)
    return bindings


def _security_options(spec: ContainerSpec) -> list[str]:
    options = [f"label={option}" for option in spec.selinux_options]
    return [*options, "no-new-privileges"] if spec.no_new_privileges else options


def _capability(name: str) -> str:
    """Write a capability as the daemons do, so that it compares equal to what they report."""
    upper = name.upper()
    return upper if upper == "ALL" or upper.startswith("CAP_") else f"CAP_{upper}"


def _devices(spec: ContainerSpec) -> list[dict[str, str]]:
    return [
        {
            "PathOnHost": device.source,
            "PathInContainer": device.target,
            "CgroupPermissions": device.permissions,
        }
        for device in spec.devices
        if isinstance(device, HostDevice)
    ]


def _cdi_requests(spec: ContainerSpec) -> list[Json]:
    names = [device.name for device in spec.devices if isinstance(device, CdiDevice)]
    return [{"Driver": "cdi", "DeviceIDs": names}] if names else []


def _mounts(spec: ContainerSpec, *, relabel: bool) -> Json:
    binds = [
        f"{mount.source}:{mount.target}:{'ro' if mount.read_only else 'rw'},z"
        for mount in spec.mounts
        if relabel and isinstance(mount, BindMount) and mount.relabel
    ]
    # Before API 1.46, the long form of a tmpfs mount cannot express this.
    tmpfs = {
        mount.target: _tmpfs_options(mount)
        for mount in spec.mounts
        if isinstance(mount, TmpfsMount) and mount.executable
    }
    mounts = [
        _mount(mount)
        for mount in spec.mounts
        if mount.target not in tmpfs
        and not (relabel and isinstance(mount, BindMount) and mount.relabel)
    ]
    return {"Mounts": mounts, "Binds": binds, **({"Tmpfs": tmpfs} if tmpfs else {})}


def _tmpfs_options(mount: TmpfsMount) -> str:
    size = "" if mount.size is None else f",size={mount.size}"
    return f"exec,mode={mount.mode:o}{size}"


def _mount(mount: Mount) -> Json:
    match mount:
        case BindMount():
            return {
                "Type": "bind",
                "Source": mount.source,
                "Target": mount.target,
                "ReadOnly": mount.read_only,
            }
        case VolumeMount():
            return _volume(mount)
        case TmpfsMount():
            options = {"Mode": mount.mode, "SizeBytes": mount.size}
            return {"Type": "tmpfs", "Target": mount.target, "TmpfsOptions": _given(options)}
        case _:
            assert_never(mount)


def _volume(mount: VolumeMount) -> Json:
    from ramalama_engines.rest.volumes import (  # noqa: PLC0415 (a local run has no volumes)
        check_volume_name,
    )

    return {
        "Type": "volume",
        "Source": check_volume_name(mount.name, engine="docker"),
        "Target": mount.target,
        "ReadOnly": mount.read_only,
        "VolumeOptions": {"NoCopy": True},
    }


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _same(name: str, sent: Any, made: Any) -> bool:  # noqa: ANN401 (JSON on both sides)
    match name:
        case "Cmd" | "Entrypoint":  # exactly these arguments, in this order
            return bool(sent == (made or []))
        case "Labels":  # a label may have an empty value
            return bool(sent.items() <= (made or _NOTHING).items())
        case _:
            return _kept(sent, made)


def _kept(sent: Any, made: Any) -> bool:  # noqa: ANN401 (JSON on both sides)
    """Return whether *made* has all of *sent*; null, 0, false and empty are the same to Docker."""
    if isinstance(sent, dict):
        fields, found = cast("Json", sent), made or _NOTHING
        return all(_kept(value, found.get(name)) for name, value in fields.items())
    if isinstance(sent, list):
        items = cast("Iterable[Any]", sent)
        return all(any(_kept(item, other) for other in made or ()) for item in items)
    return sent == made or not (sent or made)
