"""The manual page's table of images."""

import pytest

from ramalama_accel import IMAGES, AcceleratorKind, default_image


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
