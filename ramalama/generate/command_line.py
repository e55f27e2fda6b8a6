"""Write a container as a `podman run` or `docker run` command line, which `--dryrun` prints."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, assert_never

from ramalama.planning.labels import ENGINE_LABEL, INSTANCE_LABEL, OWNER_LABEL, PLAN_LABEL
from ramalama_engines import EngineKind
from ramalama_engines.spec import BindMount, CdiDevice, HostDevice, TmpfsMount, VolumeMount

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramalama.planning.plan import LaunchPlan
    from ramalama_engines import ContainerSpec
    from ramalama_engines.spec import Device, Mount, PortBinding

# These labels name this process, which is about to end.
_PROCESS_LABELS = (INSTANCE_LABEL, OWNER_LABEL, PLAN_LABEL)


def plan_line(plan: LaunchPlan, *, engine: str | None) -> str:
    """Return the command that carries out *plan*, on the remote *engine* at this address if any.

    There is a line for each container.
    """
    kind = EngineKind(plan.container.labels[ENGINE_LABEL])
    specs = (plan.container, *plan.companions)
    return "\n".join(engine_line(kind, spec, engine=engine) for spec in specs)


def engine_line(kind: EngineKind, spec: ContainerSpec, *, engine: str | None = None) -> str:
    """Return the `podman run` or `docker run` command, quoted for sh, that creates *spec*.

    *engine* is the address of a remote engine.
    """
    return shlex.join(_words(kind, spec, engine))


def _words(kind: EngineKind, spec: ContainerSpec, engine: str | None) -> Iterator[str]:
    yield str(kind)
    if engine is not None:
        yield _address(kind, engine)
    if spec.oci_runtime and kind is EngineKind.PODMAN:
        yield f"--runtime={spec.oci_runtime}"  # a global option of podman, not one of `podman run`
    yield from ("run", "--detach")
    yield from _identity(spec)
    yield from _isolation(kind, spec)
    yield from _user(spec)
    if not spec.image_volumes and kind is EngineKind.PODMAN:
        yield "--image-volume=ignore"
    for device in spec.devices:
        yield from _device(kind, device)
    for mount in spec.mounts:
        yield from _mount(kind, mount)
    for port in spec.ports:
        yield _port(port)
    yield from _limits(spec)
    yield from _log(kind, spec)
    entrypoint = spec.entrypoint or ()
    if entrypoint:
        yield f"--entrypoint={entrypoint[0]}"
    yield spec.image
    yield from entrypoint[1:]
    yield from spec.command


def _address(kind: EngineKind, engine: str) -> str:
    if kind is EngineKind.PODMAN:
        return f"--url={engine}"
    scheme, _, rest = engine.partition("://")  # docker takes no path after an ssh host
    return f"--host=ssh://{rest.partition('/')[0]}" if scheme == "ssh" else f"--host={engine}"


def _identity(spec: ContainerSpec) -> Iterator[str]:
    if spec.name:
        yield f"--name={spec.name}"
    for name, value in spec.labels.items():
        if name not in _PROCESS_LABELS:
            yield f"--label={name}={value}"
    for name, value in spec.env.items():
        yield f"--env={name}={value}"


def _isolation(kind: EngineKind, spec: ContainerSpec) -> Iterator[str]:
    yield f"--network={spec.network}"
    if spec.oci_runtime and kind is EngineKind.DOCKER:
        yield f"--runtime={spec.oci_runtime}"
    if spec.privileged:
        yield "--privileged"
    for capability in spec.cap_drop:
        yield f"--cap-drop={capability}"
    if spec.no_new_privileges:
        yield "--security-opt=no-new-privileges"
    for option in spec.selinux_options:
        yield f"--security-opt=label={option}"
    if spec.read_only:
        yield "--read-only"
        if kind is EngineKind.PODMAN:
            yield "--read-only-tmpfs=false"  # `podman run` adds some by default, the API does not


def _user(spec: ContainerSpec) -> Iterator[str]:
    if spec.user:
        yield f"--user={spec.user}"
    if spec.userns:
        yield f"--userns={spec.userns}"
    for group in (*spec.groups, *(["keep-groups"] if spec.keep_groups else [])):
        yield f"--group-add={group}"


def _device(kind: EngineKind, device: Device) -> Iterator[str]:
    match device:
        case HostDevice():
            yield f"--device={device.format()}"
        case CdiDevice() if kind is EngineKind.DOCKER:
            yield f"--gpus=driver=cdi,device={device.name}"
        case CdiDevice():
            yield f"--device={device.name}"
        case _:
            assert_never(device)


def _mount(kind: EngineKind, mount: Mount) -> Iterator[str]:
    match mount:
        case BindMount(relabel=True) if ":" not in mount.source:
            mode = "ro,z" if mount.read_only else "z"
            yield f"--volume={mount.source}:{mount.target}:{mode}"
        case BindMount():
            mode = ",readonly" if mount.read_only else ""
            if mount.relabel and kind is EngineKind.PODMAN:  # docker accepts it only for --volume
                mode += ",relabel=shared"
            yield f"--mount=type=bind,{_csv('source', mount.source)},target={mount.target}{mode}"
        case VolumeMount():
            mode = "ro" if mount.read_only else "rw"
            yield f"--volume={mount.name}:{mount.target}:{mode},nocopy"
        case TmpfsMount():
            size = "" if mount.size is None else f",size={mount.size}"
            run = ",exec" if mount.executable else ",noexec"
            yield f"--tmpfs={mount.target}:mode={mount.mode:o}{size}{run}"
        case _:
            assert_never(mount)


def _csv(key: str, value: str) -> str:
    """Quote a field of `--mount`: both engines read its value as comma-separated values (CSV)."""
    field = f"{key}={value}"
    return field if not set(field) & set(',"\n') else '"' + field.replace('"', '""') + '"'


def _port(port: PortBinding) -> str:
    host_port = port.host_port or ""
    address = f"[{port.host_address}]" if ":" in port.host_address else port.host_address
    return f"--publish={address}:{host_port}:{port.container_port}"


def _log(kind: EngineKind, spec: ContainerSpec) -> Iterator[str]:
    if spec.log_size is None:
        return
    if kind is EngineKind.PODMAN:
        yield from ("--log-driver=k8s-file", f"--log-opt=max-size={spec.log_size}b")
        return
    yield "--log-driver=json-file"
    yield f"--log-opt=max-size={spec.log_size // 2}b"
    yield "--log-opt=max-file=2"


def _limits(spec: ContainerSpec) -> Iterator[str]:
    for limit in spec.ulimits:
        yield f"--ulimit={limit.name}={limit.soft}:{limit.hard}"
    if spec.pids_limit is not None:
        yield f"--pids-limit={spec.pids_limit}"
    if spec.memory_limit is not None:
        yield f"--memory={spec.memory_limit}"
    if spec.init:
        yield "--init"
    if spec.stop_signal:
        yield f"--stop-signal={spec.stop_signal}"
    if spec.stop_timeout is not None:
        yield f"--stop-timeout={spec.stop_timeout}"
