"""The image that serves each accelerator: the table of ramalama-run(1), `--image`."""

import re
from collections.abc import Mapping

from ramalama_accel.base import AcceleratorKind
from ramalama_accel.visible import VARIABLES

_REGISTRY = "quay.io/ramalama"

IMAGES: Mapping[AcceleratorKind, str] = {
    AcceleratorKind.CPU: f"{_REGISTRY}/ramalama",
    AcceleratorKind.APPLE: f"{_REGISTRY}/ramalama",
    AcceleratorKind.VULKAN: f"{_REGISTRY}/ramalama",
    AcceleratorKind.HIP: f"{_REGISTRY}/rocm",
    AcceleratorKind.CUDA: f"{_REGISTRY}/cuda",
    AcceleratorKind.ASAHI: f"{_REGISTRY}/asahi",
    AcceleratorKind.INTEL: f"{_REGISTRY}/intel-gpu",
    AcceleratorKind.ASCEND: f"{_REGISTRY}/cann",
    AcceleratorKind.MUSA: f"{_REGISTRY}/musa",
}

_NO_OVERRIDES: Mapping[str, str] = {}
_VERSION = r"([0-9]+\.[0-9]+)(?:[^0-9].*)?"


def default_image(
    kind: AcceleratorKind, *, version: str, overrides: Mapping[str, str] = _NO_OVERRIDES
) -> str:
    """Return the image for *kind*, tagged with the package *version*'s major and minor.

    *overrides* are the ``[ramalama.images]`` of ramalama.conf: whole references, by the name of
    the family's ``*_VISIBLE_DEVICES`` variable.

    Raises:
        ValueError: *version* does not begin with two numbers.
    """
    override = overrides.get(VARIABLES.get(kind, ""))
    if override:
        return override
    match = re.fullmatch(_VERSION, version)
    if match is None:
        msg = f"{version!r} does not begin with major.minor"
        raise ValueError(msg)
    return f"{IMAGES[kind]}:{match[1]}"
