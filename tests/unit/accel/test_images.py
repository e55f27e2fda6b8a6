"""The manual page's table of images."""

import pytest

from ramalama_accel import IMAGES, AcceleratorKind, RuntimeName, default_image


@pytest.mark.parametrize(
    ("kind", "image"),
    [
        (AcceleratorKind.CPU, "quay.io/ramalama/ramalama"),
        (AcceleratorKind.APPLE, "quay.io/ramalama/ramalama"),
        (AcceleratorKind.VULKAN, "quay.io/ramalama/ramalama"),
        (AcceleratorKind.HIP, "quay.io/ramalama/rocm"),
        (AcceleratorKind.CUDA, "quay.io/ramalama/cuda"),
        (AcceleratorKind.ASAHI, "quay.io/ramalama/asahi"),
        (AcceleratorKind.INTEL, "quay.io/ramalama/intel-gpu"),
        (AcceleratorKind.ASCEND, "quay.io/ramalama/cann"),
        (AcceleratorKind.MUSA, "quay.io/ramalama/musa"),
    ],
)
def test_the_table_is_the_manual_page_s(kind: AcceleratorKind, image: str) -> None:
    assert default_image(kind, version="0.25.0") == f"{image}:0.25"


@pytest.mark.parametrize(
    ("kind", "image"),
    [
        (AcceleratorKind.CUDA, "docker.io/vllm/vllm-openai:latest"),
        (AcceleratorKind.HIP, "docker.io/vllm/vllm-openai-rocm:latest"),
        (AcceleratorKind.INTEL, "docker.io/intel/vllm:latest"),
        (AcceleratorKind.CPU, "quay.io/ramalama/vllm-cpu:0.25"),
        (AcceleratorKind.APPLE, "quay.io/ramalama/vllm-cpu:0.25"),
        (AcceleratorKind.VULKAN, "quay.io/ramalama/vllm-cpu:0.25"),
        (AcceleratorKind.ASAHI, "quay.io/ramalama/vllm-cpu:0.25"),
        (AcceleratorKind.ASCEND, "quay.io/ramalama/vllm-cpu:0.25"),
        (AcceleratorKind.MUSA, "quay.io/ramalama/vllm-cpu:0.25"),
    ],
)
def test_vllm_has_its_vendors_images_of_their_own_generations_and_ours_elsewhere(
    kind: AcceleratorKind, image: str
) -> None:
    assert default_image(kind, version="0.25.0", runtime=RuntimeName.VLLM) == image


@pytest.mark.parametrize(
    ("overrides", "image"),
    [
        ({"VLLM": "me/any:1"}, "me/any:1"),
        ({"VLLM_CUDA_VISIBLE_DEVICES": "me/cuda:1", "VLLM": "me/any:1"}, "me/cuda:1"),
        ({"VLLM_CUDA_VISIBLE_DEVICES": "", "VLLM": "me/any:1"}, "me/any:1"),
        ({"VLLM_HIP_VISIBLE_DEVICES": "me/rocm:1"}, "docker.io/vllm/vllm-openai:latest"),
        ({"CUDA_VISIBLE_DEVICES": "me/llama:1"}, "docker.io/vllm/vllm-openai:latest"),
    ],
)
def test_images_of_vllm_are_overridden_by_names_of_their_own(
    overrides: dict[str, str], image: str
) -> None:
    kind, runtime = AcceleratorKind.CUDA, RuntimeName.VLLM

    assert default_image(kind, version="0.25.0", runtime=runtime, overrides=overrides) == image


def test_an_override_for_vllm_says_nothing_of_llama_cpp() -> None:
    image = default_image(AcceleratorKind.CPU, version="0.25.0", overrides={"VLLM": "me/any:1"})

    assert image == "quay.io/ramalama/ramalama:0.25"


def test_every_kind_has_an_image() -> None:
    assert set(IMAGES) == set(AcceleratorKind)


@pytest.mark.parametrize(
    ("version", "tag"),
    [
        ("0.11.2", "0.11"),
        ("1.0.0", "1.0"),
        ("0.26.0.dev1+g1234", "0.26"),
        ("2.10", "2.10"),
        ("0.26rc1", "0.26"),
    ],
)
def test_the_tag_is_the_package_s_major_and_minor(version: str, tag: str) -> None:
    assert default_image(AcceleratorKind.CPU, version=version).endswith(f":{tag}")


@pytest.mark.parametrize("version", ["", "1", "banana", "v1.0", "1.x"])
def test_a_version_without_a_minor_is_a_programmer_s_error(version: str) -> None:
    with pytest.raises(ValueError, match=r"does not begin with major\.minor"):
        default_image(AcceleratorKind.CPU, version=version)


def test_an_override_by_the_variable_s_name_wins_for_its_kind_alone() -> None:
    overrides = {
        "CUDA_VISIBLE_DEVICES": "registry.example/cuda@sha256:00",
        "HIP_VISIBLE_DEVICES": "",
    }

    images = [
        default_image(kind, version="0.25.0", overrides=overrides)
        for kind in (AcceleratorKind.CUDA, AcceleratorKind.HIP, AcceleratorKind.CPU)
    ]

    assert images == [
        "registry.example/cuda@sha256:00",
        "quay.io/ramalama/rocm:0.25",
        "quay.io/ramalama/ramalama:0.25",
    ]
