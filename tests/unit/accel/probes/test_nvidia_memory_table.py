"""What NVIDIA's cards have at most, by the names that the driver gives them."""

import pytest

from ramalama_accel.probes.nvidia.memory_table import MODELS, find_gib


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        ("NVIDIA GeForce RTX 4090", 24),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 16),
        ("GeForce GTX 1080 Ti", 11),
        ("NVIDIA GeForce GTX 1060 3GB", 3),
        ("NVIDIA RTX 6000 Ada Generation", 48),
        ("Quadro RTX 6000", 24),
        ("NVIDIA RTX A2000", 6),
        ("NVIDIA RTX A2000 12GB", 12),
        ("Tesla T4", 16),
        ("Tesla V100-SXM2-32GB", 32),
        ("NVIDIA A100-SXM4-80GB", 80),
        ("NVIDIA A100 80GB PCIe", 80),
        ("NVIDIA H100 80GB HBM3", 80),
        ("NVIDIA GH200 480GB", 96),
        ("NVIDIA GH200 144G HBM3e", 144),
        ("NVIDIA GB10", 0),
    ],
)
def test_a_card_s_name_tells_its_memory(name: str, gib: int) -> None:
    assert find_gib(name) == gib


@pytest.mark.parametrize(
    "name", ["", "NVIDIA GeForce RTX 9090", "GRID A100D-80C", "NVIDIA 1234567GB", "4090", "Unknown"]
)
def test_what_is_not_known_is_not_guessed(name: str) -> None:
    assert find_gib(name) is None


def test_no_model_stands_in_two_rows() -> None:
    names = [name for row in MODELS.values() for name in row.split(", ")]

    assert len(names) == len({*names})
    assert all(name == name.strip() for name in names)
