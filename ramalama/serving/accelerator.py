"""Detect the accelerator that a server can use, on its host and its engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

from ramalama.errors import OptionRefused
from ramalama.planning.memory.capacity import MemoryCapacity
from ramalama_accel.detection import detect
from ramalama_accel.host import DeviceUser
from ramalama_accel.values import AcceleratorKind, InvalidVisibleDevices
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ramalama.config.options import ServeOptions
    from ramalama.serving.sides.side import EngineSide
    from ramalama_accel.host import Host
    from ramalama_accel.values import Accelerator, Detection
    from ramalama_engines import Engine


@frozen()
class FoundAccelerators:
    """The accelerators of an engine's host.

    Attributes:
        host: the host for messages.
        unknown: why they are not known, so that there seems to be none; "" if they are known.
    """

    detection: Detection
    host: str
    unknown: str = ""

    @classmethod
    def on(cls, side: EngineSide, host: Host) -> Self:
        """Detect those on *side*; *host* is this one."""
        found = detect(side.accelerated(host))
        return cls(detection=found, host=side.name, unknown=side.unknown)


def detect_on(engine: Engine, host: Host, options: ServeOptions) -> Detection:
    """Detect the accelerators for a server with *options* on *engine*.

    Raises:
        EngineError: the engine does not answer.
    """
    return detect_for(
        host, options, rootless=engine.rootless, oci_runtimes=lambda: engine.info.oci_runtimes
    )


def detect_for(
    host: Host,
    options: ServeOptions,
    *,
    rootless: bool,
    oci_runtimes: Callable[[], tuple[str, ...]],
) -> Detection:
    """Detect the accelerators for a server on an engine that need not be open.

    *rootless* is a property of the engine. *oci_runtimes* returns the names of its OCI runtimes; it
    is called only if they matter.
    """
    if not rootless:
        # A rootful engine may open all device nodes, and adds their groups to the container.
        host = replace(host, user=DeviceUser(uid=0, gids=frozenset()))
    detection = detect(host)
    if not needs_runtimes(detection, options):
        return detection
    return detect(replace(host, oci_runtimes=oci_runtimes()))


def needs_runtimes(detection: Detection, options: ServeOptions) -> bool:
    """Return whether the engine must be asked for its OCI runtimes.

    That request takes time, so it is made only for NVIDIA GPUs.
    """
    nvidia = any(finding.kind is AcceleratorKind.CUDA for finding in detection.findings)
    return nvidia and options.oci_runtime is None


def required(detection: Detection) -> Accelerator:
    """Return the accelerator that a server will use.

    Raises:
        OptionRefused: a ``*_VISIBLE_DEVICES`` variable of the user is invalid on this host.
    """
    try:
        return detection.require()
    except InvalidVisibleDevices as exc:
        raise OptionRefused(str(exc)) from exc


def describe_unused(
    detection: Detection, options: ServeOptions, env: Mapping[str, str], *, host: str
) -> str | None:
    """Return why a GPU of *host* is not used; None if all are used or none is wanted."""
    all_used = all(finding.usable for finding in detection.findings)
    if all_used or options.ngl == 0 or options.devices == ():
        return None
    from ramalama_accel.unused_gpus import describe_passed_over  # noqa: PLC0415 (few hosts need it)

    return describe_passed_over(detection, env, host=host)


def capacity_of(
    side: EngineSide,
    host: Host,
    options: ServeOptions | None,
    accelerator: Accelerator | None = None,
) -> MemoryCapacity:
    """Return how much memory a model can use on *side*; without *accelerator*, detect it.

    *host* is this one, which may be the same.
    """
    accelerator = accelerator or detect(side.accelerated(host)).accelerator
    return MemoryCapacity.of(side.memory(host), accelerator, options)
