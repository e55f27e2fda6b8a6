"""What is fuzzed: each target takes any bytes, and raises only where something is wrong with us.

A refusal is what bytes of a stranger's deserve; anything else that is raised, a wait of seconds,
or memory by the gigabyte is a defect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fuzz import archives, bases, headers, logs, manifests, settings, transports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something that reads bytes.

    Attributes:
        run: is given the bytes.
        seeds: makes inputs from which a fuzzer finds its way to all others.
        has_json: the fuzzer changes the values of JSON in an input, too, not its bytes alone.
        short: how many inputs take about a second.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    has_json: bool = False
    short: int = 500


TARGETS: Mapping[str, Target] = {
    "gguf": Target(run=headers.gguf_header, seeds=headers.gguf_seeds, short=10_000),
    "memory": Target(run=headers.model_memory, seeds=headers.memory_seeds, short=3000),
    "safetensors": Target(
        run=headers.safetensors_header,
        seeds=headers.safetensors_seeds,
        has_json=True,
        short=10_000,
    ),
    "tar": Target(run=archives.tar_members, seeds=archives.tar_seeds, short=3000),
    "layers": Target(run=archives.unpacked_layers, seeds=archives.layer_seeds, short=300),
    "manifest": Target(run=manifests.manifest, seeds=manifests.seeds, has_json=True, short=2000),
    "settings": Target(run=settings.opened_model, seeds=settings.seeds, has_json=True, short=300),
    "log": Target(run=logs.server_log, seeds=logs.seeds, short=5000),
    "base": Target(run=bases.image_on_base, seeds=bases.seeds, has_json=True),
    **{
        name: Target(run=transport.run, seeds=transport.seeds, has_json=True)
        for name, transport in transports.TRANSPORTS.items()
    },
}
