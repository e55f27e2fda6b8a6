"""What a rootless podman takes, shows in inspect, and does without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_engines.spec import HostDevice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ramalama_engines.spec import ContainerSpec

_REMEDY = "(its user needs cgroup v2 with this controller delegated, or leave the limit out)"


def has_limits(spec: ContainerSpec) -> bool:
    """Tell whether *spec* asks for anything that takes a cgroup controller."""
    return _is_limit(spec.pids_limit) or _is_limit(spec.memory_limit)


def rootless_drops(spec: ContainerSpec, *, controllers: Collection[str]) -> tuple[str, ...]:
    """Name the options of *spec* that have no effect; *controllers* are those of its cgroup."""
    return (*_limits(spec, controllers), *_permissions(spec))


def _limits(spec: ContainerSpec, controllers: Collection[str]) -> Iterator[str]:
    if _is_limit(spec.pids_limit) and "pids" not in controllers:
        yield f"pids limit {spec.pids_limit} {_REMEDY}"
    if _is_limit(spec.memory_limit) and "memory" not in controllers:
        yield f"memory limit {spec.memory_limit} {_REMEDY}"


def _is_limit(value: int | None) -> bool:
    """Tell whether *value* limits anything; 0 and -1 stand for no limit."""
    return value is not None and value > 0


def _permissions(spec: ContainerSpec) -> Iterator[str]:
    """Look for devices that are not to be read or written: only a cgroup of root's can tell.

    Nodes need no care: nobody makes them in a user namespace.
    """
    for device in spec.devices:
        if isinstance(device, HostDevice) and not {"r", "w"} <= set(device.permissions):
            yield f"permissions {device.permissions!r} of device {device.target} (leave them out)"
