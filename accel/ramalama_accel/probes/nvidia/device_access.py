"""Choose how a container gets NVIDIA cards: through an OCI runtime or through CDI."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ramalama_accel.cdi.specs import CdiSpecDevice, read_inventory
from ramalama_accel.host import Host
from ramalama_accel.permissions import find_obstacle, groups_for
from ramalama_accel.probes.nvidia.cards import read_driver_version
from ramalama_accel.values import Accelerator, AcceleratorKind, Finding, Gpu
from ramalama_accel.visible import VisibleDevices
from ramalama_values.text import printable

CDI_KIND = "nvidia.com/gpu"

_KIND = AcceleratorKind.CUDA
_RUNTIMES = ("nvidia-container-runtime", "nvidia")
# Names of MIG devices: by index (0:1), by type and index (mig0:1).
_PARTITION = r"(?:mig)?([0-9]{1,4}):[0-9]{1,4}"
_GENERATE = "run `sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`"
_INSTALL = f"install nvidia-container-toolkit, then {_GENERATE}"
_REFRESH = f"{_GENERATE}, after every driver update; if a node is missing, first load the driver"
_ALL = "all"


def choose_way(
    host: Host, gpus: Sequence[Gpu], wanted: VisibleDevices
) -> tuple[Accelerator | Finding, tuple[Finding, ...]]:
    """Return how a container gets the *wanted* cards, or why it cannot, and problems of CDI files.

    Raises:
        InvalidVisibleDevices: *wanted* names a card or MIG device that does not exist.
    """
    inventory = read_inventory(host)
    offered = inventory.of_kind(CDI_KIND)
    cards = [_with_partitions(gpu, offered) for gpu in gpus]
    runtime = next((name for name in _RUNTIMES if name in host.oci_runtimes), None)
    if runtime:
        result = _by_runtime(host, cards, wanted, runtime)
    else:
        result = _by_cdi(host, cards, wanted, offered)
    return result, tuple(_unusable(text, _GENERATE) for text in inventory.problems)


def _by_runtime(
    host: Host, cards: Sequence[Gpu], wanted: VisibleDevices, runtime: str
) -> Accelerator | Finding:
    items = wanted.items or ()
    # Only the runtime knows whether a MIG device exists.
    whole = [item for item in items if ":" not in item and not item.startswith("MIG-")]
    gpus = wanted.select(cards, items=whole) if whole else tuple(cards)
    obstacle = _find_locked(host, gpus)
    if obstacle:
        return obstacle
    return replace(
        _accelerator(host, gpus, f"the OCI runtime {runtime}"),
        oci_runtime=runtime,
        env={
            "NVIDIA_VISIBLE_DEVICES": ",".join(items) or _ALL,
            "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        },
    )


def _by_cdi(
    host: Host, cards: Sequence[Gpu], wanted: VisibleDevices, offered: Mapping[str, CdiSpecDevice]
) -> Accelerator | Finding:
    label = _label(cards)
    if not offered:
        message = f"{label}: no CDI specification in /etc/cdi or /var/run/cdi offers {CDI_KIND}"
        return _unusable(message, _INSTALL)
    names = _choose_names(cards, wanted, offered)
    if not names:
        return _unusable(f"{label}: CDI offers only {', '.join(sorted(offered))}", _GENERATE)
    devices = [offered[name] for name in names]
    nodes = {node for device in devices for node in device.nodes}
    gpus = tuple(gpu for gpu in cards if not gpu.nodes or nodes.intersection(gpu.nodes))
    obstacle = _find_stale(host, label, devices) or _find_locked(host, gpus)
    if obstacle:
        return obstacle
    return replace(
        _accelerator(host, gpus, f"CDI {', '.join(names)}"),
        cdi_devices=tuple(f"{CDI_KIND}={name}" for name in names),
    )


def _choose_names(
    gpus: Sequence[Gpu], wanted: VisibleDevices, offered: Mapping[str, CdiSpecDevice]
) -> tuple[str, ...]:
    """Return the CDI names of the wanted devices; none if one of the cards has no name."""
    if wanted.items is None and _ALL in offered:
        return (_ALL,)
    names: list[str] = []
    for item in wanted.items or [str(gpu.index) for gpu in gpus]:
        if item in offered:
            names.append(item)
            continue
        (gpu,) = wanted.select(gpus, items=(item,))
        own = _names_of(gpu, offered) or ((_ALL,) if _ALL in offered and len(gpus) == 1 else ())
        if not own:
            return ()
        names += own
    return tuple(dict.fromkeys(names))


def _names_of(gpu: Gpu, offered: Mapping[str, CdiSpecDevice]) -> tuple[str, ...]:
    aliases = (str(gpu.index), f"gpu{gpu.index}", gpu.uuid or "")
    whole = next((alias for alias in aliases if alias in offered), None)
    return (whole,) if whole else gpu.partitions


def _with_partitions(gpu: Gpu, offered: Mapping[str, CdiSpecDevice]) -> Gpu:
    matches = [re.fullmatch(_PARTITION, name) for name in sorted(offered)]
    own = [match[0] for match in matches if match and int(match[1]) == gpu.index]
    return replace(gpu, partitions=tuple(own))


def _find_stale(host: Host, label: str, devices: Sequence[CdiSpecDevice]) -> Finding | None:
    """Return a finding if a specification was made for other devices or for another driver."""
    for device in devices:
        for path in (*device.nodes, *device.files):
            if not host.exists(path):
                message = f"{label}: {device.spec} is out of date: {printable(path)} does not exist"
                return _unusable(message, _REFRESH)
    return None


def _find_locked(host: Host, gpus: Sequence[Gpu]) -> Finding | None:
    # The OCI runtime creates missing nodes itself, so only existing nodes can be an obstacle.
    nodes = [node for gpu in gpus for node in gpu.nodes if host.node(node)]
    return find_obstacle(host, _KIND, _label(gpus), nodes)


def _accelerator(host: Host, gpus: tuple[Gpu, ...], how: str) -> Accelerator:
    version = read_driver_version(host)
    driver = f", driver {version}" if version else ""
    return Accelerator(
        kind=_KIND,
        gpus=gpus,
        groups=groups_for(host, [node for gpu in gpus for node in gpu.nodes]),
        driver_version=version,
        reason=f"{_label(gpus)}{driver}, through {how}",
    )


def _label(gpus: Sequence[Gpu]) -> str:
    names = sorted({gpu.name for gpu in gpus if gpu.name})
    return f"{len(gpus)} x {' and '.join(names)}" if names else f"{len(gpus)} NVIDIA GPU(s)"


def _unusable(message: str, remedy: str) -> Finding:
    return Finding(kind=_KIND, usable=False, message=message, remedy=remedy)
