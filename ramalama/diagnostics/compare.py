"""What a container was to have, and has not: pure comparisons, and the remedy for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama_engines.spec import CdiDevice, HostDevice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ramalama.diagnostics.inspect_container import ContainerDevice, ContainerView
    from ramalama_accel.values import Accelerator
    from ramalama_engines.spec import ContainerSpec

_UDEV = 'let others read and write it with a udev rule (MODE="0666")'
_KEEP_GROUPS = f"if a group of yours may, add --keep-groups (Podman with crun); else {_UDEV}"
_FROM_CDI = "make the CDI specification anew, and look whether it names device nodes"
_FROM_RUNTIME = "check the OCI runtime's own configuration and log, or use CDI"
_LOOPBACK = ("lo",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is not as it should be, and what can be done."""

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

    *granted* are device nodes that it may open though their mode does not say so.
    """
    return (
        *_absent_nodes(spec, view),
        *_closed_nodes(spec, view, rootless=rootless, granted=granted),
        *_lost_groups(spec, view),
        *_changed_env(accelerator, view),
        *_weak_walls(spec, view),
    )


def _absent_nodes(spec: ContainerSpec, view: ContainerView) -> Iterator[Problem]:
    if view.nodes is None:
        return
    seen = {node.path for node in view.nodes}
    for device in spec.devices:
        if isinstance(device, HostDevice) and not _is_in(seen, device.target):
            message = f"the device {device.target} is not in the container"
            yield Problem(message=message, remedy=f"look whether {device.source} is a device node")
    names = [device.name for device in spec.devices if isinstance(device, CdiDevice)]
    if names and not seen:
        message = f"CDI brought no device node for {', '.join(names)}"
        yield Problem(message=message, remedy=_FROM_CDI)
    if spec.oci_runtime and "NVIDIA_VISIBLE_DEVICES" in spec.env and not seen:
        message = f"the OCI runtime {spec.oci_runtime} brought no device node"
        yield Problem(message=message, remedy=_FROM_RUNTIME)


def _is_in(seen: Collection[str], target: str) -> bool:
    """Tell whether *target*, a node or a directory of nodes, is there."""
    return any(path == target or path.startswith(f"{target}/") for path in seen)


def _closed_nodes(
    spec: ContainerSpec, view: ContainerView, *, rootless: bool, granted: Collection[str]
) -> Iterator[Problem]:
    remedy = _KEEP_GROUPS if rootless and not spec.keep_groups else _UDEV
    for node in view.nodes or ():
        # A privileged container has every node of the host, most of them for root alone.
        wanted = not spec.privileged or any(
            isinstance(device, HostDevice) and device.target == node.path for device in spec.devices
        )
        if wanted and node.path not in granted and not view.may_use(node):
            message = f"the server may not open {node.path} ({describe(node)})"
            yield Problem(message=message, remedy=remedy)


def _lost_groups(spec: ContainerSpec, view: ContainerView) -> Iterator[Problem]:
    if view.capabilities is None:  # it could not look at itself
        return
    lost = {int(group) for group in spec.groups if group.isdecimal()} - {*view.groups, view.gid}
    if lost:
        message = f"the server is not in the group(s) {', '.join(map(str, sorted(lost)))}"
        yield Problem(message=message, remedy="use an OCI runtime that adds groups (crun, runc)")
    if spec.keep_groups and {*view.groups} <= {view.gid}:
        message = "--keep-groups kept no group of yours"
        yield Problem(message=message, remedy="let Podman use crun; and join the device's group")


def _changed_env(accelerator: Accelerator, view: ContainerView) -> Iterator[Problem]:
    if view.env is None:
        return
    for name, value in accelerator.env.items():
        if view.env.get(name) != value:
            message = f"{name} is {view.env.get(name)!r} in the container, not {value!r}"
            yield Problem(message=message, remedy="look which --env, setting or CDI file sets it")


def _weak_walls(spec: ContainerSpec, view: ContainerView) -> Iterator[Problem]:
    further = [name for name in view.interfaces if name not in _LOOPBACK]
    if spec.network == "none" and further:
        message = f"the container has a network ({', '.join(further)}) though none was asked for"
        yield Problem(message=message, remedy="check the engine's defaults (containers.conf)")
    if spec.cap_drop and view.capabilities:
        message = f"the server holds capabilities ({view.capabilities:#x}) though none was left it"
        yield Problem(message=message, remedy="check the engine's defaults (containers.conf)")


def describe(node: ContainerDevice) -> str:
    """Write who may open *node*: its mode, and its owner and group as the container sees them."""
    return f"mode {node.mode:04o}, owner {node.uid}, group {node.gid}"
