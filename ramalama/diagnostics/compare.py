"""Compare what a container should have with what it has, and suggest a remedy for each difference.

Pure functions: they ask neither the engine nor the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama_engines.spec import CdiDevice, HostDevice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ramalama.diagnostics.inspect_container import ContainerDevice, ContainerView
    from ramalama_accel.values import Accelerator
    from ramalama_engines.spec import ContainerSpec

_UDEV = 'let all users read and write it with a udev rule (MODE="0666")'
_KEEP_GROUPS = (
    "if one of your groups may open it, add --keep-groups (requires Podman with crun); "
    f"otherwise {_UDEV}"
)
_FROM_CDI = "generate the CDI specification again, and check that it names device nodes"
_FROM_RUNTIME = "check the configuration and the log of the OCI runtime, or use CDI"
_LOOPBACK = ("lo",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A difference that was found, and how the user can fix it.

    Attributes:
        message: what is wrong.
        remedy: what to do; empty if unknown.
    """

    message: str
    remedy: str = ""


def compare(
    spec: ContainerSpec,
    accelerator: Accelerator,
    view: ContainerView,
    *,
    rootless: bool,
    granted: Collection[str] = (),
) -> tuple[Problem, ...]:
    """Compare what *spec* asks for with what a process in the container saw.

    *granted* are the paths of device nodes that the process may open although their mode forbids
    it.
    """
    return (
        *_missing_nodes(spec, view),
        *_inaccessible_nodes(spec, view, rootless=rootless, granted=granted),
        *_lost_groups(spec, view),
        *_changed_env(accelerator, view),
        *_weak_isolation(spec, view),
    )


def _missing_nodes(spec: ContainerSpec, view: ContainerView) -> Iterator[Problem]:
    if view.nodes is None:
        return
    seen = {node.path for node in view.nodes}
    for device in spec.devices:
        if isinstance(device, HostDevice) and not _is_in(seen, device.target):
            message = f"the device {device.target} is not in the container"
            yield Problem(message=message, remedy=f"check that {device.source} is a device node")
    names = [device.name for device in spec.devices if isinstance(device, CdiDevice)]
    if names and not seen:
        message = f"CDI added no device node for {', '.join(names)}"
        yield Problem(message=message, remedy=_FROM_CDI)
    if spec.oci_runtime and "NVIDIA_VISIBLE_DEVICES" in spec.env and not seen:
        message = f"the OCI runtime {spec.oci_runtime} added no device node"
        yield Problem(message=message, remedy=_FROM_RUNTIME)


def _is_in(seen: Collection[str], target: str) -> bool:
    """Return whether *seen* has the node *target*, or a node below the directory *target*."""
    return any(path == target or path.startswith(f"{target}/") for path in seen)


def _inaccessible_nodes(
    spec: ContainerSpec, view: ContainerView, *, rootless: bool, granted: Collection[str]
) -> Iterator[Problem]:
    remedy = _KEEP_GROUPS if rootless and not spec.keep_groups else _UDEV
    for node in view.nodes or ():
        # A privileged container has every device node of the host. Only root may open most of them.
        requested = not spec.privileged or any(
            isinstance(device, HostDevice) and device.target == node.path for device in spec.devices
        )
        if requested and node.path not in granted and not view.may_use(node):
            message = f"the server may not open {node.path} ({describe(node)})"
            yield Problem(message=message, remedy=remedy)


def _lost_groups(spec: ContainerSpec, view: ContainerView) -> Iterator[Problem]:
    if view.capabilities is None:  # the process could not read its own status
        return
    lost = {int(group) for group in spec.groups if group.isdecimal()} - {*view.groups, view.gid}
    if lost:
        message = f"the server is not in the group(s) {', '.join(map(str, sorted(lost)))}"
        yield Problem(message=message, remedy="use an OCI runtime that adds groups (crun, runc)")
    if spec.keep_groups and {*view.groups} <= {view.gid}:
        message = "--keep-groups kept none of your groups"
        yield Problem(
            message=message, remedy="use Podman with crun, and join the group of the device"
        )


def _changed_env(accelerator: Accelerator, view: ContainerView) -> Iterator[Problem]:
    if view.env is None:
        return
    for name, value in accelerator.env.items():
        if view.env.get(name) != value:
            message = f"{name} is {view.env.get(name)!r} in the container, not {value!r}"
            yield Problem(
                message=message, remedy="find the --env option, setting or CDI file that sets it"
            )


def _weak_isolation(spec: ContainerSpec, view: ContainerView) -> Iterator[Problem]:
    external = [name for name in view.interfaces if name not in _LOOPBACK]
    if spec.network == "none" and external:
        message = f"the container has a network ({', '.join(external)}) although none was requested"
        yield Problem(message=message, remedy="check the engine's defaults (containers.conf)")
    if spec.cap_drop and view.capabilities:
        message = f"the server has capabilities ({view.capabilities:#x}) although all were dropped"
        yield Problem(message=message, remedy="check the engine's defaults (containers.conf)")


def describe(node: ContainerDevice) -> str:
    """Describe the permissions of *node*: its mode, and its owner and group in the container."""
    return f"mode {node.mode:04o}, owner {node.uid}, group {node.gid}"
