"""Which accelerator a server would have: what the host has, and what the engine can map."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama_accel.detection import detect
from ramalama_accel.host import DeviceUser
from ramalama_accel.values import AcceleratorKind

if TYPE_CHECKING:
    from ramalama.config.options import ServeOptions
    from ramalama_accel.host import Host
    from ramalama_accel.values import Detection
    from ramalama_engines import Engine


def detect_on(
    engine: Engine,
    host: Host,
    options: ServeOptions,
    *,
    oci_runtimes: tuple[str, ...] | None = None,
) -> Detection:
    """Look what accelerator a server with these *options* would have.

    *oci_runtimes* are those of the engine, where they are known already.

    Raises:
        EngineError: the engine does not answer.
    """
    if not engine.rootless:
        # The engine opens the nodes, and gives the container the groups that they need.
        host = replace(host, user=DeviceUser(uid=0, gids=frozenset()))
    detection = detect(host)
    if not needs_runtimes(detection, options):
        return detection
    runtimes = engine.info.oci_runtimes if oci_runtimes is None else oci_runtimes
    return detect(replace(host, oci_runtimes=runtimes))


def needs_runtimes(detection: Detection, options: ServeOptions) -> bool:
    """Tell whether it matters which OCI runtimes the engine has.

    Asking it takes a while, so only those with an NVIDIA card do.
    """
    nvidia = any(finding.kind is AcceleratorKind.CUDA for finding in detection.findings)
    return nvidia and options.oci_runtime is None
