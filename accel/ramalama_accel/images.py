"""The image that serves each accelerator: the table of ramalama-run(1), `--image`.

llama.cpp's are all ours. vLLM's are its vendors', who know best how to build it for their cards;
ours is that of the CPU, which also serves where no vendor has any. Whoever wants to know what is in
the image builds one for NVIDIA's cards from our recipe instead.
"""

import re
from collections.abc import Mapping

from ramalama_accel.runtime_name import RuntimeName
from ramalama_accel.values import AcceleratorKind
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
"""Those of llama.cpp, by what they compute on."""

VLLM_BUILDS: Mapping[AcceleratorKind, str] = {
    AcceleratorKind.CPU: f"{_REGISTRY}/vllm-cpu",
    AcceleratorKind.CUDA: f"{_REGISTRY}/vllm-cuda",
}
"""Those of vLLM that there is a recipe of ours for."""

VLLM_IMAGES: Mapping[AcceleratorKind, str] = {
    AcceleratorKind.CPU: VLLM_BUILDS[AcceleratorKind.CPU],
    AcceleratorKind.CUDA: "docker.io/vllm/vllm-openai",
    AcceleratorKind.HIP: "docker.io/vllm/vllm-openai-rocm",
    AcceleratorKind.INTEL: "docker.io/intel/vllm",
}
"""Those of vLLM; a kind that is not here is served by the CPU."""

_NO_OVERRIDES: Mapping[str, str] = {}
_VERSION = r"([0-9]+\.[0-9]+)(?:[^0-9].*)?"


def default_image(
    kind: AcceleratorKind,
    *,
    version: str,
    runtime: RuntimeName = RuntimeName.LLAMA_CPP,
    overrides: Mapping[str, str] = _NO_OVERRIDES,
) -> str:
    """Return the image for *kind*; see `tagged`.

    *overrides* are the ``[ramalama.images]`` of ramalama.conf: whole references, by the name of
    the family's ``*_VISIBLE_DEVICES`` variable; for vLLM with ``VLLM_`` before it, and ``VLLM``
    for all families that have none.

    Raises:
        ValueError: *version* does not begin with two numbers.
    """
    variable = VARIABLES.get(kind, "")
    if runtime is RuntimeName.VLLM:
        override = overrides.get(f"VLLM_{variable}") or overrides.get("VLLM")
        repository = VLLM_IMAGES.get(kind, VLLM_IMAGES[AcceleratorKind.CPU])
    else:
        override, repository = overrides.get(variable), IMAGES[kind]
    return override or tagged(repository, version=version)


def tagged(repository: str, *, version: str) -> str:
    """Name the image of *repository* that the package *version* drives.

    Ours bear its major and minor; others come in generations of their own, of which we take the
    latest.

    Raises:
        ValueError: *version* does not begin with two numbers.
    """
    match = re.fullmatch(_VERSION, version)
    if match is None:
        msg = f"{version!r} does not begin with major.minor"
        raise ValueError(msg)
    return f"{repository}:{match[1] if repository.startswith(f'{_REGISTRY}/') else 'latest'}"
