"""Choose the image for each accelerator: the table of ramalama-run(1), `--image`.

All images of llama.cpp are RamaLama's. The images of vLLM come from the vendors of the cards, who
know best how to build it for them. RamaLama's own image of vLLM is the one for the CPU; it is also
used if the vendor has none. To control the content of the image for NVIDIA cards, a user can build
it from RamaLama's recipe.
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
"""The images of llama.cpp for each kind of accelerator."""

VLLM_BUILDS: Mapping[AcceleratorKind, str] = {
    AcceleratorKind.CPU: f"{_REGISTRY}/vllm-cpu",
    AcceleratorKind.CUDA: f"{_REGISTRY}/vllm-cuda",
}
"""The images of vLLM for which RamaLama has a recipe."""

VLLM_IMAGES: Mapping[AcceleratorKind, str] = {
    AcceleratorKind.CPU: VLLM_BUILDS[AcceleratorKind.CPU],
    AcceleratorKind.CUDA: "docker.io/vllm/vllm-openai",
    AcceleratorKind.HIP: "docker.io/vllm/vllm-openai-rocm",
    AcceleratorKind.INTEL: "docker.io/intel/vllm",
}
"""The images of vLLM; a kind that is not listed uses the image for the CPU."""

_NO_OVERRIDES: Mapping[str, str] = {}
_VERSION = r"([0-9]+\.[0-9]+)(?:[^0-9].*)?"

STACK_IMAGE = f"{_REGISTRY}/llama-stack"
"""Llama Stack (OGX), which stands before an inference server; it computes nothing itself."""


def default_image(
    kind: AcceleratorKind,
    *,
    version: str,
    runtime: RuntimeName = RuntimeName.LLAMA_CPP,
    overrides: Mapping[str, str] = _NO_OVERRIDES,
) -> str:
    """Return the image for *kind*, with the tag that `tagged` chooses.

    *overrides* are the ``[ramalama.images]`` of ramalama.conf: complete references by the name of
    the family's ``*_VISIBLE_DEVICES`` variable. For vLLM the key is this name with ``VLLM_`` before
    it, or ``VLLM`` for all families without a key.

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
    """Return the image of *repository* that the package *version* can use.

    RamaLama's images are tagged with its major and minor version. Other images have version numbers
    of their own, and the latest is used.

    Raises:
        ValueError: *version* does not begin with two numbers.
    """
    match = re.fullmatch(_VERSION, version)
    if match is None:
        msg = f"{version!r} does not begin with major.minor"
        raise ValueError(msg)
    return f"{repository}:{match[1] if repository.startswith(f'{_REGISTRY}/') else 'latest'}"
