"""Which accelerator a server would have: what the host has, and what the engine can map."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama.errors import OptionRefused
from ramalama.planning.memory.capacity import MemoryCapacity
from ramalama.system.memory import available_memory
from ramalama_accel.detection import detect
from ramalama_accel.host import DeviceUser
from ramalama_accel.values import AcceleratorKind, InvalidVisibleDevices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ramalama.config.options import ServeOptions
    from ramalama_accel.host import Host
    from ramalama_accel.values import Accelerator, Detection
    from ramalama_engines import Engine


def detect_on(engine: Engine, host: Host, options: ServeOptions) -> Detection:
    """Look what accelerator a server with these *options* would have.

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
    """Look what accelerator a server would have on an engine that may not be open.

    *rootless* is known of the engine; *oci_runtimes* is called where its OCI runtimes matter.
    """
    if not rootless:
        # The engine opens the nodes, and gives the container the groups that they need.
        host = replace(host, user=DeviceUser(uid=0, gids=frozenset()))
    detection = detect(host)
    if not needs_runtimes(detection, options):
        return detection
    return detect(replace(host, oci_runtimes=oci_runtimes()))


def needs_runtimes(detection: Detection, options: ServeOptions) -> bool:
    """Return whether it matters which OCI runtimes the engine has.

    It takes a while to ask for them, so that is done for NVIDIA's cards alone.
    """
    nvidia = any(finding.kind is AcceleratorKind.CUDA for finding in detection.findings)
    return nvidia and options.oci_runtime is None


def required(detection: Detection) -> Accelerator:
    """Return the accelerator to start with.

    Raises:
        OptionRefused: a ``*_VISIBLE_DEVICES`` of the user's makes no sense on this host.
    """
    try:
        return detection.require()
    except InvalidVisibleDevices as exc:
        raise OptionRefused(str(exc)) from exc


def describe_unused(
    detection: Detection, options: ServeOptions, env: Mapping[str, str]
) -> str | None:
    """Say why a GPU of this host is not used, unless it is by the user's own wish."""
    all_used = all(finding.usable for finding in detection.findings)
    if all_used or options.ngl == 0 or options.devices == ():
        return None
    from ramalama_accel.unused_gpus import describe_passed_over  # noqa: PLC0415 (few hosts need it)

    return describe_passed_over(detection, env)


def capacity_of(
    host: Host, options: ServeOptions | None, accelerator: Accelerator | None = None
) -> MemoryCapacity:
    """Look how much memory a model could have on *host*, with an *accelerator* or the host's."""
    return MemoryCapacity.of(
        available_memory(host.root), accelerator or detect(host).accelerator, options
    )
