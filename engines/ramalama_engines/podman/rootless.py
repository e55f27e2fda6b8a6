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
    has_limits = _is_limit(spec.pids_limit) or _is_limit(spec.memory_limit)
    return spec.limits_required and has_limits


def rootless_drops(spec: ContainerSpec, *, controllers: Collection[str]) -> tuple[str, ...]:
    """Return the options of *spec* without effect; *controllers* are those of podman's cgroup."""
    limits = _limits(spec, controllers) if requires_limits(spec) else ()
    return (*limits, *_permissions(spec))


def _limits(spec: ContainerSpec, controllers: Collection[str]) -> Iterator[str]:
    if _is_limit(spec.pids_limit) and "pids" not in controllers:
        yield f"pids limit {spec.pids_limit} {_REMEDY}"
    if _is_limit(spec.memory_limit) and "memory" not in controllers:
        yield f"memory limit {spec.memory_limit} {_REMEDY}"


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
