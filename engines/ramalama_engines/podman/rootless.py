"""Find the options that a rootless podman accepts, and even shows in inspect, but ignores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_engines.spec import HostDevice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ramalama_engines.spec import ContainerSpec

_REMEDY = "(its user needs cgroup v2 with this controller delegated, or leave the limit out)"


def requires_limits(spec: ContainerSpec) -> bool:
    """Return whether *spec* insists on a limit that needs a cgroup controller."""
    return any(_required(spec))


def rootless_drops(spec: ContainerSpec, *, controllers: Collection[str]) -> tuple[str, ...]:
    """Return the options of *spec* without effect; *controllers* are those of podman's cgroup."""
    limits = (limit for controller, limit in _required(spec) if controller not in controllers)
    return (*(f"{limit} {_REMEDY}" for limit in limits), *_permissions(spec))


def _required(spec: ContainerSpec) -> Iterator[tuple[str, str]]:
    """Yield the controller and the description of each limit on which *spec* insists."""
    if _is_limit(spec.pids_limit) and "pids_limit" not in spec.optional_limits:
        yield "pids", f"pids limit {spec.pids_limit}"
    if _is_limit(spec.memory_limit) and "memory_limit" not in spec.optional_limits:
        yield "memory", f"memory limit {spec.memory_limit}"


def _is_limit(value: int | None) -> bool:
    """Return whether *value* is a limit; 0 and -1 mean no limit."""
    return value is not None and value > 0


def _permissions(spec: ContainerSpec) -> Iterator[str]:
    """Yield devices with restricted reading or writing, which only root's cgroup can restrict.

    The permission to create nodes ("m") does not matter: it is not possible in a user namespace.
    """
    for device in spec.devices:
        if isinstance(device, HostDevice) and not {"r", "w"} <= set(device.permissions):
            yield f"permissions {device.permissions!r} of device {device.target} (leave them out)"
