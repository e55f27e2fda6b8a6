"""What a rootless podman takes, shows in inspect, and does without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_engines.values import HostDevice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ramalama_engines.values import ContainerSpec

_REMEDY = "(its user needs cgroup v2 with this controller delegated, or leave the limit out)"


def has_limits(spec: ContainerSpec) -> bool:
    """Tell whether *spec* asks for anything that takes a cgroup controller."""
    return spec.pids_limit is not None or spec.memory_limit is not None


def rootless_drops(spec: ContainerSpec, *, controllers: Collection[str]) -> tuple[str, ...]:
    """Name the options of *spec* that have no effect; *controllers* are those of its cgroup."""
    return tuple((*_limits(spec, controllers), *_permissions(spec)))


def _limits(spec: ContainerSpec, controllers: Collection[str]) -> Iterator[str]:
    if spec.pids_limit is not None and "pids" not in controllers:
        yield f"pids limit {spec.pids_limit} {_REMEDY}"
    if spec.memory_limit is not None and "memory" not in controllers:
        yield f"memory limit {spec.memory_limit} {_REMEDY}"


def _permissions(spec: ContainerSpec) -> Iterator[str]:
    """Look for devices that are not to be read or written: only a cgroup of root's can tell.

    Nodes need no care: nobody makes them in a user namespace.
    """
    for device in spec.devices:
        if isinstance(device, HostDevice) and not {"r", "w"} <= set(device.permissions):
            yield f"permissions {device.permissions!r} of device {device.target} (leave them out)"
