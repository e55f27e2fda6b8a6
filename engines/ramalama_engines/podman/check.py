"""Compare a container that podman made with its spec, since podman drops some options silently.

Only requested options are compared, and only those that inspect shows on every podman since 4.3. It
does not show device permissions, the devices of a privileged or rootless container, or CDI names.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from ramalama_engines.podman.spec import (
    KEEP_GROUPS,
    LOG_DRIVER,
    SELINUX_LABEL,
    asked_annotations,
    network_fields,
    signal_number,
    tmpfs_options,
)
from ramalama_engines.rest.http import elements, members
from ramalama_engines.spec import BindMount, HostDevice, TmpfsMount, VolumeMount
from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ramalama_engines.spec import ContainerSpec, PortBinding

    Inspect = Mapping[str, Any]

# Annotations that direct an OCI runtime (crun, runc, nvidia-container-runtime, kata), such as
# to keep the groups of the service's user, to lift the memory limit, or to add a device.
_DIRECTIONS = (
    "run.oci.",
    "org.systemd.property.",
    "org.criu.",
    "module.wasm.",
    "io.katacontainers.",
    "cdi.k8s.io/",
    "nvidia.cdi.k8s.io/",
)

_ID = r"[0-9a-f]{64}"
_ANY_ADDRESS = frozenset({"", "0.0.0.0"})  # noqa: S104 (compared with, never bound)


def dropped_options(spec: ContainerSpec, made: Inspect, *, rootless: bool) -> tuple[str, ...]:
    """Return the options of *spec* that the container lacks; *made* is libpod's inspect of it.

    Each has its remedy, if there is one. The values of variables and labels are left out.
    """
    shows_devices = not rootless and not spec.privileged
    checks = (*_CHECKS, _devices) if shows_devices else _CHECKS
    return tuple(dropped for check in checks for dropped in check(spec, made))


def _identity(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    if spec.name is not None and made.get("Name") != spec.name:
        yield f"name {spec.name!r}"
    if spec.user is not None and made["Config"].get("User") != spec.user:
        yield f"user {spec.user!r}"


def _command(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    # With an init, the program follows it; without arguments, podman 4 repeats the program.
    argv = (made.get("Path"), *elements(made.get("Args")))
    asked = (*(spec.entrypoint or ()), *spec.command)
    if asked and argv[-len(asked) :] != asked:
        yield "entrypoint and command"


def _env(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    kept = frozenset[str](elements(made["Config"].get("Env")))
    yield from (f"variable {name!r}" for name, v in spec.env.items() if f"{name}={v}" not in kept)


def _labels(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    kept = members(made["Config"].get("Labels"))
    yield from (f"label {name!r}" for name, v in spec.labels.items() if kept.get(name) != v)


def _mounts(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    mounts = elements(made.get("Mounts"))
    binds = {_clean(mount["Destination"]): mount.get("RW") for mount in mounts}
    volumes = {_clean(m["Destination"]): m.get("Name") for m in mounts if m["Type"] == "volume"}
    tmpfs = {_clean(at): how for at, how in members(made["HostConfig"].get("Tmpfs")).items()}
    for mount in spec.mounts:
        target = _clean(mount.target)
        match mount:
            case BindMount() if binds.get(target) != (not mount.read_only):
                yield f"{'read-only ' if mount.read_only else ''}mount at {mount.target}"
            case VolumeMount() if (volumes.get(target), binds.get(target)) != (
                mount.name,
                not mount.read_only,
            ):
                yield f"{'read-only ' if mount.read_only else ''}volume at {mount.target}"
            case TmpfsMount() if not _is_tmpfs(mount, tmpfs.get(target, "")):
                yield f"tmpfs at {mount.target}"
            case _:
                pass


def _is_tmpfs(mount: TmpfsMount, options: str) -> bool:
    # "exec" is the default of a mount, and not shown.
    return frozenset(tmpfs_options(mount)) - {"exec"} <= frozenset(options.split(","))


def _ports(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    bindings = members(made["HostConfig"].get("PortBindings"))
    for port in spec.ports:
        if not any(_binds(port, b) for b in elements(bindings.get(f"{port.container_port}/tcp"))):
            yield f"published port {port.container_port} (network {spec.network!r} may have none)"


def _binds(port: PortBinding, binding: Mapping[str, str]) -> bool:
    address = binding.get("HostIp", "")
    same_address = address == port.host_address or {address, port.host_address} <= _ANY_ADDRESS
    return same_address and port.host_port in {0, int(binding.get("HostPort") or 0)}


def _network(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    asked = network_fields(spec.network)
    mode = str(made["HostConfig"].get("NetworkMode") or "").partition(":")[0]
    if names := asked.get("networks"):
        kept = set(names) <= set(members(made["NetworkSettings"].get("Networks")))
    elif asked["netns"]["nsmode"] == "container":
        # What was given as a name is reported by its ID.
        kept = made["HostConfig"].get("NetworkMode") == spec.network or (
            mode == "container" and not re.fullmatch(_ID, asked["netns"]["value"])
        )
    else:
        kept = asked["netns"]["nsmode"] in {mode, "private", "path"}
    if not kept:
        yield f"network {spec.network!r}"


def _privileges(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    host = made["HostConfig"]
    if bool(host.get("Privileged")) != spec.privileged:
        yield "privileged" if spec.privileged else "not privileged"
    if left := _capabilities_left(spec, made):
        yield f"dropped capabilities (it keeps {', '.join(sorted(left))})"
    if spec.no_new_privileges and "no-new-privileges" not in elements(host.get("SecurityOpt")):
        yield "no new privileges"
    if spec.read_only and not host.get("ReadonlyRootfs"):
        yield "read-only root"


def _capabilities_left(spec: ContainerSpec, made: Inspect) -> frozenset[str]:
    """Return the capabilities that should have been dropped and are still there."""
    kept = frozenset[str](
        (*elements(made.get("BoundingCaps")), *elements(made.get("EffectiveCaps")))
    )
    dropped = frozenset(cap.upper() for cap in spec.cap_drop)
    if "ALL" in dropped:
        return kept
    return kept & (dropped | {f"CAP_{cap}" for cap in dropped})


def _directions(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    # Podman adds the annotations of an image to those of its containers.
    asked = asked_annotations(spec)
    left = [name for name in _annotations(made) if name.startswith(_DIRECTIONS)]
    if names := sorted(name for name in left if name not in asked):
        yield (
            "the absence of annotations for the OCI runtime"
            f" (the image has {printable(', '.join(names))})"
        )


def _selinux(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    annotated = ",label=".join(spec.selinux_options)
    if annotated and _annotations(made).get(SELINUX_LABEL) != annotated:
        yield "SELinux options"
    # An engine without SELinux sets no label, so that no option can differ from it.
    label = str(made.get("ProcessLabel") or "")
    for option in spec.selinux_options if label else ():
        if option.partition(":")[2] not in label or option == "disable":
            yield f"SELinux option {option!r} (it runs as {label})"


def _devices(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    kept = {device["PathInContainer"] for device in elements(made["HostConfig"].get("Devices"))}
    for device in spec.devices:
        if isinstance(device, HostDevice):
            target = _clean(device.target)
            if not any(path == target or path.startswith(f"{target}/") for path in kept):
                yield f"device {device.target}"


def _groups(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    kept = frozenset[str](elements(made["HostConfig"].get("GroupAdd")))
    yield from (f"group {group!r}" for group in spec.groups if group not in kept)
    runtime = posixpath.basename(_oci_runtime(made))
    if spec.keep_groups and runtime != "crun":
        yield f"kept groups (only the OCI runtime crun keeps them, and this engine uses {runtime})"
    elif spec.keep_groups and _annotations(made).get(KEEP_GROUPS) != "1":
        yield "kept groups"


def _user_namespace(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    if spec.userns not in {None, "host"} and not made["HostConfig"].get("UsernsMode"):
        yield f"user namespace {spec.userns!r}"


def _runtime(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    return ignored_runtime(spec, default=_oci_runtime(made))


def ignored_runtime(spec: ContainerSpec, *, default: str) -> Iterator[str]:
    """Yield the OCI runtime of *spec*, if a service with another *default* ignores it."""
    # The service may report a path; its last part is the name of the runtime.
    if spec.oci_runtime not in {None, default, posixpath.basename(default)}:
        yield (
            f"OCI runtime {spec.oci_runtime!r} (before podman 6 the API ignores it and uses"
            f" {default!r}; set runtime in the [engine] table of the service's containers.conf,"
            " start the service with --runtime, or use CDI devices, which need no special runtime)"
        )


def _limits(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    host, optional = made["HostConfig"], spec.optional_limits
    if not (_same_limit(spec.pids_limit, host.get("PidsLimit")) or "pids_limit" in optional):
        yield f"pids limit {spec.pids_limit}"
    if not (_same_limit(spec.memory_limit, host.get("Memory")) or "memory_limit" in optional):
        yield f"memory limit {spec.memory_limit}"
    kept = {(u["Name"], u["Soft"], u["Hard"]) for u in elements(host.get("Ulimits"))}
    for limit in spec.ulimits:
        if (f"RLIMIT_{limit.name.upper()}", limit.soft, limit.hard) not in kept:
            yield f"ulimit {limit.name}={limit.soft}:{limit.hard}"


def _log(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    driver = members(made["HostConfig"].get("LogConfig")).get("Type")
    if spec.log_size is not None and driver != LOG_DRIVER:
        yield f"log size {spec.log_size} (it keeps the log with {driver})"


def _same_limit(asked: int | None, kept: int | None) -> bool:
    """Return whether a limit is as requested; 0 and -1 both mean no limit."""
    return asked is None or asked == kept or max(asked, kept or 0) <= 0


def _ending(spec: ContainerSpec, made: Inspect) -> Iterator[str]:
    config = made["Config"]
    if spec.init and not made["HostConfig"].get("Init"):
        yield "init"
    signal = spec.stop_signal  # shown as a number by API 4, even of podman 5
    if signal is not None and config.get("StopSignal") != signal_number(signal):
        yield f"stop signal {signal}"
    if spec.stop_timeout is not None and config.get("StopTimeout") != spec.stop_timeout:
        yield f"stop timeout {spec.stop_timeout}"


def _clean(path: str) -> str:
    """Normalize *path*: the requested and the reported path may differ in slashes."""
    return posixpath.normpath(path)


def _annotations(made: Inspect) -> Mapping[str, str]:
    return members(made["Config"].get("Annotations"))


def _oci_runtime(made: Inspect) -> str:
    return str(made.get("OCIRuntime") or "")


_CHECKS = (
    _identity,
    _command,
    _env,
    _labels,
    _mounts,
    _ports,
    _network,
    _privileges,
    _directions,
    _selinux,
    _groups,
    _user_namespace,
    _runtime,
    _limits,
    _log,
    _ending,
)
